"""The book of alarms: what was raised, how it went, and who answered (叫应)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from haihe_contract.errors import FieldError

from haihe_cloud.database import Connection, Database
from haihe_cloud.limits import WHO_CHARACTERS

ALARMS_SHOWN = 1000
"""Alarms that one question returns at most."""
ANSWERS_MAX = 200
"""Answers kept of one alarm."""
NOTE_CHARACTERS = 2000
BOOK = "alarm"
"""The book in whose transactions alarms are written: the engine's name as a follower."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a rule, from raise to end.

    Args:
        id: for ever; 0 before it is in the book.
        sequence: of its last change; the highest of all is :meth:`AlarmBook.sequence`.
        track: which course of judgement it belongs to; 0 for a silent station.
        station: code of the station.
        rule: name of the rule.
        title_zh: of the rule, in Chinese.
        title_en: the same in English.
        level: ``warning``, ``guarantee``, ``high``, ``low`` or ``silent``.
        severity: ``blue``, ``yellow``, ``orange`` or ``red``.
        series: key of the series, empty for a silent station.
        element: its element, empty for a silent station.
        datum: of level and series, empty where there is none.
        threshold: the level in the element's unit; for a silent station the delay in seconds.
        started_ms: first reading at the level, by its own time; for a silent station its last word.
        raised_ms: when the centre raised it, by the centre's clock.
        peak: worst value.
        peak_ms: its time.
        peak_flag: its quality flag.
        ended_ms: reading that ended it, None while it is on.
        late: told of something past: it had ended, or its newest reading was old, when it was raised.
        unverified: rests on readings that quality control suspects or whose time is not known.
        void: later data left nothing of it, or made it part of another.
        merged_into: that other.
        amended: what later data or people changed, empty for nothing: ``started`` its start was moved, ``ended_late``
            it had ended at the time given, ``reopened`` it went on, ``merged`` it is part of an earlier alarm,
            ``gone`` the level was not reached for long enough, ``restored`` it is one of its own after all,
            ``rule_changed`` judged anew by another level, ``rule_removed``, ``station_removed``.
        answered_by: who answered first.
        answered_ms: when.
        note: of the last answer.
    """

    id: int = 0
    sequence: int = 0
    track: int
    station: str
    rule: str
    title_zh: str
    title_en: str
    level: str
    severity: str
    series: str = ""
    element: str = ""
    datum: str = ""
    threshold: float
    started_ms: int
    raised_ms: int
    peak: float | None = None
    peak_ms: int | None = None
    peak_flag: int | None = None
    ended_ms: int | None = None
    late: bool = False
    unverified: bool = False
    void: bool = False
    merged_into: int | None = None
    amended: str = ""
    answered_by: str | None = None
    answered_ms: int | None = None
    note: str = ""


class Answer(msgspec.Struct, frozen=True):
    """Somebody answered an alarm: who, when, and what was said."""

    who: str
    time_ms: int
    note: str


_FIELDS = tuple(field for field in Alarm.__struct_fields__ if field != "id")
_BOOLS = ("late", "unverified", "void")
_COLUMNS = ", ".join(("id", *_FIELDS))
_INSERT = f"INSERT INTO alarm({', '.join(_FIELDS)}) VALUES({', '.join('?' * len(_FIELDS))}) RETURNING id"
_UPDATE = f"UPDATE alarm SET {', '.join(f'{field}=?' for field in _FIELDS)} WHERE id=?"  # noqa: S608 - our own names


def select(connection: Connection, rest: str, facts: Sequence[Any] = ()) -> list[Alarm]:
    """The alarms of ``SELECT … FROM alarm <rest>``."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM alarm {rest}", facts)  # noqa: S608 - our own words
    return [_alarm(row) for row in rows]


def put(connection: Connection, alarm: Alarm) -> Alarm:
    """Write a new alarm (id 0) or a change; gives it the next sequence number."""
    sequence = int(connection.execute("SELECT coalesce(max(sequence), 0) + 1 FROM alarm").fetchone()[0])
    alarm = msgspec.structs.replace(alarm, sequence=sequence)
    values = [getattr(alarm, field) for field in _FIELDS]
    if alarm.id:
        connection.execute(_UPDATE, [*values, alarm.id])
        return alarm
    made = connection.execute(_INSERT, values).fetchone()
    return msgspec.structs.replace(alarm, id=made[0])


def _alarm(row: Sequence[Any]) -> Alarm:
    facts = dict(zip(("id", *_FIELDS), row, strict=True))
    return Alarm(**{**facts, **{name: bool(facts[name]) for name in _BOOLS}})


class AlarmBook:
    """Reading the book, and answering. Only the alarm engine raises and ends."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self, most: int = ALARMS_SHOWN) -> list[Alarm]:
        """Alarms that are on, the newest first."""
        return self._select("WHERE ended_ms IS NULL ORDER BY id DESC LIMIT ?", _bounded(most))

    def recent(self, most: int = 200, station: str | None = None) -> list[Alarm]:
        """The alarms raised last, of one station or of all, whether on or over."""
        if station is None:
            return self._select("ORDER BY id DESC LIMIT ?", _bounded(most))
        return self._select("WHERE station=? ORDER BY id DESC LIMIT ?", station, _bounded(most))

    def get(self, alarm: int) -> Alarm | None:
        """The alarm of that id."""
        found = self._select("WHERE id=?", alarm)
        return found[0] if found else None

    def sequence(self) -> int:
        """Number of the last change, 0 before the first."""
        row = self._database.connection().execute("SELECT coalesce(max(sequence), 0) FROM alarm").fetchone()
        return int(row[0])

    def changes(self, after: int, most: int = 200) -> list[Alarm]:
        """Alarms that changed since that sequence number, in the order of their last change."""
        return self._select("WHERE sequence>? ORDER BY sequence LIMIT ?", after, _bounded(most))

    def answers(self, alarm: int) -> list[Answer]:
        """Every answer to an alarm, in order."""
        rows = self._database.connection().execute(
            "SELECT who, time_ms, note FROM alarm_answer WHERE alarm=? ORDER BY position", (alarm,)
        )
        return [Answer(*row) for row in rows]

    def answer(self, alarm: int, who: str, note: str, now_ms: int) -> Alarm:
        """Record that somebody answered. A further answer is added; the first stays the one who answered.

        Raises:
            FieldError: when there is no such alarm, nobody is named, or the words are too many.
        """
        who, note = who.strip(), note.strip()
        where = f"alarm {alarm}"
        if not who:
            raise FieldError("nobody is named", where=where, do="say who answers")
        if len(who) > WHO_CHARACTERS or len(note) > NOTE_CHARACTERS:
            raise FieldError(
                f"a name has at most {WHO_CHARACTERS} characters and a note {NOTE_CHARACTERS}",
                where=where,
                do="write less",
            )
        with self._database.transaction(BOOK) as connection:
            found = select(connection, "WHERE id=?", (alarm,)) if 0 < alarm < 2**63 else []
            if not found:
                raise FieldError(f"there is no alarm {alarm}", where=where, do="look at the list of alarms")
            given = int(connection.execute("SELECT count(*) FROM alarm_answer WHERE alarm=?", (alarm,)).fetchone()[0])
            if given >= ANSWERS_MAX:
                raise FieldError(
                    f"it has {given} answers already", where=where, do="write further notes into the duty log"
                )
            connection.execute("INSERT INTO alarm_answer VALUES(?, ?, ?, ?, ?)", (alarm, given + 1, who, now_ms, note))
            changed = msgspec.structs.replace(found[0], note=note)
            if changed.answered_by is None:
                changed = msgspec.structs.replace(changed, answered_by=who, answered_ms=now_ms)
            return put(connection, changed)

    def _select(self, rest: str, *facts: Any) -> list[Alarm]:
        return select(self._database.connection(), rest, facts)


def _bounded(most: int) -> int:
    return max(0, min(most, ALARMS_SHOWN))
