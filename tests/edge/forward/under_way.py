"""A forwarder that is under way on one journal and one link."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from haihe_contract.clock import SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.forward.held import Held
from haihe_edge.forward.port import Link
from haihe_edge.journal import Journal


@asynccontextmanager
async def under_way(
    journal: Journal, link: Link, *, station: str, centre: str, key: PublicKey, held: Held | None = None
) -> AsyncIterator[Forwarder]:
    """The forwarder; afterwards it has ended and the journal is closed."""
    forwarder = Forwarder(
        station=station,
        centre=centre,
        key=key,
        journal=journal,
        link=link,
        held=held or Held(),
        clock=SystemClock(),
        chance=random.Random(1),
        retry_most_ms=500,
        receipted=lambda: None,
    )
    task = asyncio.ensure_future(forwarder.run())
    try:
        yield forwarder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        journal.close()
