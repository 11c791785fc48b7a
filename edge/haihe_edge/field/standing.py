"""What a bundle has to say to a new card: told by the running agent, else read from what lies beside its journal."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import yaml
from haihe_contract.clock import SystemClock
from haihe_contract.record import State
from haihe_contract.restore import SITE, StationState

from haihe_edge import control
from haihe_edge.clock.stamping import StationClock
from haihe_edge.clock.trust import ClockTrust
from haihe_edge.journal import Folder, Look
from haihe_edge.remember.site_states import packed, unpacked
from haihe_edge.site import Site

from .beside import possible, stood

_ASK_S = 30.0


class Told(NamedTuple):
    """What is known of the station now.

    Args:
        running: an agent has said so.
        durable: all that it had recorded is durable.
        time_ms: now; milliseconds of the boot where the grade is NONE.
        grade: of that.
        states: what a new card would have to be told.
        look: the journal, looked into after that.
    """

    running: bool
    durable: bool
    time_ms: int
    grade: int
    states: list[StationState]
    look: Look


def standing(site: Site, directory: Path) -> Told:
    """Ask, and look into the journal in that folder.

    Args:
        site: the station.
        directory: of its journal; another than the site file's is that of a card that was taken out.

    Raises:
        FieldError: when the agent may not be asked by this user.
        OSError: when the folder cannot be read.
    """
    if directory == site.journal.directory:
        try:
            said = control.ask(site.control, {"do": "standing"}, timeout_s=_ASK_S)
        except control.AgentAway:
            pass
        else:
            states = [StationState(name, said["time_ms"], said["grade"], v) for name, v in said["states"].items()]
            states.append(StationState(SITE, said["time_ms"], said["grade"], packed(site)))
            good = [each for each in states if possible(each)]
            return Told(True, said["durable"], said["time_ms"], said["grade"], good, Look(Folder(directory)))
    look = Look(Folder(directory))
    trust = ClockTrust(max((segment.time_ms for segment in look.segments), default=0))
    now = StationClock(SystemClock(), trust).stamp()
    here = site._replace(journal=site.journal._replace(directory=directory))
    values = {SITE: packed(site), **stood(here)}
    states = [StationState(name, now.time_ms, now.grade, value) for name, value in values.items() if value is not None]
    states += _recorded(look, {name for name, value in values.items() if value is None})
    return Told(False, True, now.time_ms, now.grade, [each for each in states if possible(each)], look)


def _recorded(look: Look, names: Collection[str]) -> list[StationState]:
    """The latest records of these states, where no file beside the journal has them any more."""
    found: dict[str, StationState] = {}
    for segment in reversed(look.segments):
        if not set(names) - found.keys():
            break
        if segment.readings.covers(segment.numbers):
            continue
        here: dict[str, StationState] = {}
        for _, records in look.groups(segment):
            for body in (record.body for record in records):
                if isinstance(body, State) and body.name in names:
                    here[body.name] = StationState(body.name, body.time_ms, body.grade, body.value)
        found = here | found
    return list(found.values())


def station_of(look: Look) -> str | None:
    """Whose journal it is, by the latest site file that it has recorded; None where that cannot be told."""
    for state in _recorded(look, {SITE}):
        try:
            return str(yaml.safe_load(unpacked(state.value))["station"]["code"])
        except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError):
            return None
    return None
