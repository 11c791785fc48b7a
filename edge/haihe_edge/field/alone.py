"""Asking and setting an instrument without a running agent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError
from haihe_contract.record import Event

from haihe_edge import status
from haihe_edge.acquire import Acquirer, Happening
from haihe_edge.clock.stamping import StationClock
from haihe_edge.clock.trust import ClockTrust
from haihe_edge.qualify import Judge
from haihe_edge.remember.counted import CountedRain
from haihe_edge.site import Site
from haihe_edge.station import note_forgotten, open_journal

Do = Callable[[Acquirer, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""What is done, with its request; gives its answer."""


async def read_alone(site: Site, name: str) -> dict[str, Any]:
    """Ask one instrument on its bus, without a running agent; nothing is recorded.

    Raises:
        FieldError: when there is no instrument of that name.
    """
    clock = StationClock(SystemClock(), ClockTrust())
    if name not in {each.instrument for each in site.series}:
        known = ", ".join(dict.fromkeys(each.instrument for each in site.series))
        raise FieldError(f"no instrument {name!r}", where=str(site.file), do=f"name one of {known}")
    acquirer = Acquirer(site.only(name), clock, clock.grade, lambda _group: None, keeps=False)
    running = asyncio.ensure_future(acquirer.run())
    try:
        await asyncio.sleep(0)
        group = await acquirer.read_now(name)
        buses = acquirer.state()
    finally:
        running.cancel()
    return status.answer_of(site, group, Judge(site.series)(group.samples), buses)


async def done_alone(site: Site, do: Do, request: Mapping[str, Any]) -> dict[str, Any]:
    """Write to an instrument or command it without a running agent. The attempt is recorded as any other.

    Args:
        site: of the station.
        do: :func:`haihe_edge.orders.write` or :func:`haihe_edge.orders.command`.
        request: for it.

    Raises:
        FieldError: when it was refused, or not obeyed, or the journal is in use.
    """
    trust = ClockTrust()
    clock = StationClock(SystemClock(), trust)
    journal = open_journal(site, clock, trust)

    counted = CountedRain(site)
    note_forgotten("counters_forgotten", counted.trouble, journal.append, clock)

    def happened(each: Happening) -> None:
        counted.happened(each)
        journal.append(Event(each.time_ms, each.grade, each.kind, detail={**each.detail, "bus": each.bus}))

    name = str(request.get("instrument", ""))
    only = site.only(name) if site.instrument(name) else site._replace(buses={})
    # Without series nothing is read but what the write needs: some instruments forget what was read once.
    only = only._replace(instruments=tuple(each._replace(series=()) for each in only.instruments))
    acquirer = Acquirer(only, clock, clock.grade, lambda _group: None, on_happening=happened)
    running = asyncio.ensure_future(acquirer.run())
    try:
        await asyncio.sleep(0)
        said = await do(acquirer, request)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(journal.close)
        _save(counted)
    return said


def _save(counted: CountedRain) -> None:
    try:
        counted.save()
    except OSError as error:
        raise FieldError(
            f"what was done is not noted for the rain counters: {error.strerror}",
            where=str(error.filename),
            do="make room or give the right to write there; the rain of this interval may be wrong",
        ) from error
