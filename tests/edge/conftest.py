"""Real pseudo-terminals that answer as a test tells them to."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.edge.acquire.far_end import Answering, PtyInstrument


@pytest.fixture
async def on_pty(tmp_path: Path) -> AsyncIterator[Callable[[Answering], PtyInstrument]]:
    made: list[PtyInstrument] = []

    def make(answering: Answering) -> PtyInstrument:
        made.append(PtyInstrument(tmp_path / f"tty{len(made)}", answering))
        return made[-1]

    yield make
    for each in made:
        each.close()
