"""The demo: sets up, plays the story, brings everything to rest, draws the balance."""

import asyncio
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.language import Words

from .account import account
from .balance import Sheet
from .ensemble import Ensemble, free_port
from .story import Measured, Plan, Story
from .voice import Voice, columns

DRAIN_S, DRAIN_INTERRUPTED_S = 25.0, 3.0
"""How long the end waits for what is on its way; what is not there then is still in the station."""
PAGE_PORT = 8080
NAMED_SHOWN = 20


class Outcome(msgspec.Struct):
    """What a demo leaves behind."""

    sheet: Sheet
    measured: Measured
    seed: int
    stations: int

    def facts(self) -> dict[str, Any]:
        """The one JSON object of ``--json``."""
        return {
            **msgspec.to_builtins(self.sheet),
            **msgspec.to_builtins(self.measured),
            "seed": self.seed,
            "stations": self.stations,
            "ok": self.sheet.clean,
        }


async def demo(
    plan: Plan,
    *,
    stations: int,
    seed: int,
    language: str,
    clock: Clock,
    page_port: int | None,
    voice: Voice,
    keep: bool,
) -> Outcome:
    """Play it all. Ctrl-C ends the story early, with its balance; a second Ctrl-C ends without.

    Raises:
        FieldError: when something of this machine is missing, or a process ended that nobody killed.
    """
    chance = random.Random(seed)
    # A control socket's path may have 107 letters: the folder's own must be short.
    folder = Path(tempfile.mkdtemp(prefix="haihe-demo-"))
    voice.say(None, "setting up in {path}", path=folder)
    ensemble: Ensemble | None = None
    try:
        ensemble = Ensemble(folder, stations, chance, clock, language, _page_port(page_port, chance))
        outcome = await _perform(plan, ensemble, voice, clock)
        outcome.seed, outcome.stations = seed, stations
        return outcome
    finally:
        if ensemble is not None:
            await ensemble.end()
        if keep:
            voice.say(None, "the files are kept in {path}", path=folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _page_port(asked: int | None, chance: random.Random) -> int:
    """The asked one; else the usual one if nobody has it."""
    import socket

    if asked is not None:
        return asked
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", PAGE_PORT))
        except OSError:
            return free_port(chance)
    return PAGE_PORT


async def _perform(plan: Plan, ensemble: Ensemble, voice: Voice, clock: Clock) -> Outcome:
    story = Story(plan, ensemble, voice, clock)
    voice.say(None, "broker, centre and {n} stations are starting", n=len(ensemble.parts))
    whole = asyncio.ensure_future(_start_and_play(story, ensemble, voice))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, whole.cancel)
    interrupted = False
    try:
        await whole
    except asyncio.CancelledError:
        interrupted = True
        voice.done()
        if not ensemble.broker.running or not ensemble.view.store_file.exists():
            raise KeyboardInterrupt from None  # nothing has begun that could be balanced
    except ExceptionGroup as group:
        faults = group.split(FieldError)[0]
        if faults is None:
            raise
        raise _first(faults) from None
    finally:
        voice.done()
    voice.say(story.at_s(), "stopping; the balance follows" if interrupted else _OVER)
    resting = asyncio.ensure_future(ensemble.rest(DRAIN_INTERRUPTED_S if interrupted else DRAIN_S))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, resting.cancel)
    try:
        await resting
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    sheet = await asyncio.to_thread(account, ensemble.folder)
    return Outcome(sheet, story.measured, 0, 0)


_OVER = "the story is over; everything is brought to rest for the balance"


async def _start_and_play(story: Story, ensemble: Ensemble, voice: Voice) -> None:
    await ensemble.start()
    voice.say(None, "the page is at {address}", address=ensemble.view.address)
    voice.say(None, "{n} stations measure and the centre stores: the story begins", n=len(ensemble.parts))
    if story.plan.stay:
        voice.say(None, "the demo stays; Ctrl-C ends it with the balance")
    await story.play()


def _first(group: ExceptionGroup[FieldError]) -> FieldError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, FieldError) else FieldError(str(found))


def print_outcome(outcome: Outcome, words: Words) -> None:
    """What was measured, and the balance sheet, for people."""
    measured = outcome.measured
    print_sheet(
        outcome.sheet,
        words,
        [
            ("outage (s)", measured.outage_s),
            ("live after reconnect (s)", _or_dash(measured.live_after_reconnect_s)),
            ("backlog drained after (s)", _or_dash(measured.backlog_drain_s)),
            ("alarms raised", measured.alarms_raised),
        ],
    )


def print_sheet(sheet: Sheet, words: Words, more: Sequence[tuple[str, object]] = ()) -> None:
    """The balance sheet, every faulty reading by name, and one line of verdict."""
    rows: list[tuple[str, object]] = [
        ("readings that instruments answered", sheet.readings_answered),
        ("readings in the store", sheet.readings_in_store),
        ("of these from receivers that speak unasked", sheet.free_running),
        ("still in the stations", sheet.still_in_station),
        ("within the loss window of a kill", sheet.in_loss_window),
        ("named in gap records", sheet.in_gap_records),
        ("answered too late", sheet.too_late),
        ("lost", sheet.readings_lost),
        ("double", sheet.duplicates_in_store),
        ("not explained by any answer", sheet.readings_unexplained),
        *more,
    ]
    print("\n" + words("BALANCE"))
    texts = [words(name) for name, _ in rows]
    width = max(columns(text) for text in texts)
    for text, (_, number) in zip(texts, rows, strict=True):
        print(f"  {text}{' ' * (width - columns(text))}  {number:>8}")
    faults = [("lost", sheet.lost), ("double", sheet.doubles), ("not explained by any answer", sheet.unexplained)]
    for title, named in faults:
        for each in named[:NAMED_SHOWN]:
            when = beijing(each.time_ms)
            print(f"  {words(title)}: {each.station} {each.series} {when} {each.value:g} ({each.why})")
    verdict = words("nothing is lost and nothing is double" if sheet.clean else "the balance does not close")
    print(f"\033[3{2 if sheet.clean else 1}m{verdict}\033[0m" if sys.stdout.isatty() else verdict)


def _or_dash(number: float | None) -> object:
    return "—" if number is None else number
