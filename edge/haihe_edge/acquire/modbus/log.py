"""Reading an instrument's memory: which entries are new, one exchange after the other. Pure.

A walk is a generator: it yields what is to be asked or waited for and gets the answer; between that it yields
the entries that it has made sure of, oldest first. Whoever drives it may stop at any moment, and begin another
walk later after the last entry that was handed on.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from haihe_edge import limits
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.profile import Log, ModbusProfile

from .decode import Value, decode, is_plain
from .depend import Rule, rule
from .frames import Refused, Request, Write
from .moment import moment, told
from .plan import Read, plan
from .recipe import Wait, command

_T = TypeVar("_T")
_IDLE_READS_MAX = 3
"""Reads after a time was written that may bring nothing new before the walk ends."""
_VALUE_REFUSED = 3
_MOVES_MAX = 8
"""Times that a memory may move on under our hands before it is left alone for a while."""


class Entry(NamedTuple):
    """One entry.

    Args:
        time_ms: when it was made, None where that cannot be said.
        values: of the points that become readings.
    """

    time_ms: int | None
    values: dict[str, Value]


class Unreadable(Exception):
    """The memory cannot be read now.

    Args:
        sentence: in English, for :class:`haihe_contract.language.Words`.
        facts: what the sentence names.
    """

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(sentence.format(**facts))
        self.sentence, self.facts = sentence, facts


class Taken(NamedTuple):
    """Entries that are what they seem to be, oldest first."""

    entries: list[Entry]


class Head(NamedTuple):
    """How a memory stands: what the points beside it say, and its newest entry."""

    beside: dict[str, Value]
    newest: Entry | None


Walk = Generator[Request | Write | Wait | Taken, bytes | ExchangeError | None, _T]


class LogReader:
    """One log of one instrument.

    Args:
        profile: of the instrument; its variant chosen, its parameters put in.
        unit: its address.
        log: of the profile.
    """

    def __init__(self, profile: ModbusProfile, unit: int, log: Log) -> None:
        self.log = log
        self._profile, self._unit = profile, unit
        self._rules: Mapping[str, Rule] = {point.name: rule(point) for point in log.entry if not is_plain(point)}
        self._beside = plan(profile, unit, log.outside)

    def reads(self) -> list[Read]:
        """Reads as they occur in a walk, to tell their answers from others."""
        together = self.log.since.entries if self.log.since is not None else 1
        return [*self._beside, *self._reads(self._starts(together))]

    def walk(self, after_ms: int | None) -> Walk[None]:
        """Everything that was made after that moment; None for everything."""
        if self.log.since is not None:
            yield from self._since(after_ms)
        else:
            yield from self._numbered(after_ms)

    def one(self, age: int, after_ms: int | None) -> Walk[Entry | None]:
        """One entry, for whoever looks for a fault: that many before the newest, or the first since a time."""
        if self.log.since is None:
            beside = yield from self._beside_now()
            return (yield from self._entry(Head(beside, None), age))
        walk = self._since(after_ms)
        step = next(walk)
        while not isinstance(step, Taken):
            step = walk.send((yield step))
        return next(iter(step.entries), None)

    # ---- entries that have numbers

    def _numbered(self, after_ms: int | None) -> Walk[None]:
        together, moves = limits.MEMORY_TOGETHER, 0
        head = yield from self._head()
        yield from self._doubt(head)
        while True:
            moved = False
            age = (yield from self._newer(head, after_ms)) - 1
            now = head
            while age >= 0 and not moved:
                ages = range(age, max(-1, age - together), -1)
                found = yield from self._run(head, ages)
                now = yield from self._head()
                moved = self._has_moved(head, now, age)
                if not moved:
                    new = list(_after(found, after_ms, head.newest))
                    after_ms = _latest(new, after_ms)
                    yield Taken(new)
                    age -= len(ages)
            if self._stands(head, now):
                return
            head, together, moves = now, max(1, together // 2) if moved else together, moves + moved
            if moves > _MOVES_MAX:
                raise Unreadable("its memory moves on faster than it can be read")

    def _doubt(self, head: Head) -> Walk[None]:
        """Whether the pointer of a ring means what the profile says: what it names must be the newest."""
        if self.log.numbered != "ring" or self.log.entries < 2 or self.log.time.every_s is not None:
            return
        before, newest = (yield from self._entry(head, 1)), head.newest
        if before is None or before.time_ms is None or (newest is not None and newest.time_ms is None):
            return
        if newest is None or (newest.time_ms or 0) < before.time_ms:
            raise Unreadable(
                "its pointer {point} does not name its newest entry, or its clock was set back",
                point=self.log.pointer or "",
            )

    def _newer(self, head: Head, after_ms: int | None) -> Walk[int]:
        """How many entries are newer than that moment, found in few reads: near the newest first.

        What cannot be understood counts as newer: then it is read, counted and passed over.
        """
        low, high, step = 0, self._many(head), 1
        near = True
        while low < high:
            age = min(low + step - 1, high - 1) if near else (low + high) // 2
            entry = head.newest if age == 0 else (yield from self._entry(head, age))
            if entry is None or (after_ms is not None and entry.time_ms is not None and entry.time_ms <= after_ms):
                high, near = age, False
            else:
                low, step = age + 1, step * 2
        return low

    def _head(self) -> Walk[Head]:
        beside = yield from self._beside_now()
        head = Head(beside, None)
        if self._many(head) == 0:
            return head
        return Head(beside, (yield from self._entry(head, 0)))

    def _many(self, head: Head) -> int:
        if self.log.count is None:
            return self.log.entries
        return min(self.log.entries, max(0, _whole(head.beside, self.log.count)))

    def _number(self, head: Head, age: int) -> int:
        log = self.log
        if log.numbered == "from_newest":
            return log.first + age
        if log.numbered == "from_oldest":
            return log.first + self._many(head) - 1 - age
        return log.first + (self._newest_slot(head) - age) % log.entries

    def _newest_slot(self, head: Head) -> int:
        log = self.log
        said = _whole(head.beside, log.pointer or "")
        slot = said - log.first
        if not 0 <= slot < log.entries + (log.pointer_names == "next"):
            raise Unreadable("its pointer {point} says {said}", point=log.pointer or "", said=said)
        return (slot - (log.pointer_names == "next")) % log.entries

    def _stands(self, before: Head, now: Head) -> bool:
        """Whether nothing was added meanwhile."""
        log = self.log
        names = {log.pointer, log.count, *(log.time.points if log.time.every_s else ())}
        same = all(before.beside.get(name or "") == now.beside.get(name or "") for name in names)
        times = [head.newest and head.newest.time_ms for head in (before, now)]
        return same and times[0] == times[1]

    def _has_moved(self, before: Head, now: Head, age: int) -> bool:
        """Whether what was read as of that age may be another entry by now."""
        if self._stands(before, now):
            return False
        if self.log.numbered != "ring" or self.log.time.every_s is not None:
            return True
        # Entries of a ring keep their places until the newest comes round to them.
        return (self._newest_slot(now) - self._newest_slot(before)) % self.log.entries + age >= self.log.entries

    def _run(self, head: Head, ages: Iterable[int]) -> Walk[list[Entry | None]]:
        found: list[Entry | None] = []
        for age in ages:
            entry = yield from self._entry(head, age)
            found.append(entry)
        return found

    def _entry(self, head: Head, age: int) -> Walk[Entry | None]:
        """One entry, None where nothing was ever written."""
        select, number = self.log.select, self._number(head, age)
        try:
            if select is not None:
                yield from _ask(Write(self._unit, select.function, select.at, (number,)))
                if select.wait_ms:
                    yield Wait(select.wait_ms)
            return (yield from self._at([self.log.address(number)], head.beside, age))[0]
        except Refused as refusal:
            if refusal.code == _VALUE_REFUSED and select is not None:
                return None  # there is no entry of that number
            raise

    # ---- entries since a time

    def _since(self, after_ms: int | None) -> Walk[None]:
        since = self.log.since
        assert since is not None  # noqa: S101 - the caller has looked
        yield from _ask(Write(self._unit, since.function, since.at, told(since, self.log.time, after_ms)))
        idle = 0
        while idle < _IDLE_READS_MAX:
            if since.wait_ms:
                yield Wait(since.wait_ms)
            head = yield from self._beside_now()
            many = since.entries if since.count is None else min(since.entries, max(0, _whole(head, since.count)))
            found = (yield from self._at(self._starts(many), head)) if many else []
            new = list(_after(found, after_ms, None))
            idle = 0 if any(each.time_ms is not None for each in new) else idle + 1
            after_ms = _latest(new, after_ms)
            yield Taken(new)
            if not found or any(each is None for each in found):
                return
            if since.next is not None:
                yield from _ask(command(since.next, self._unit))

    def _beside_now(self) -> Walk[dict[str, Value]]:
        beside: dict[str, Value] = {}
        for read in self._beside:
            answer = yield from _ask(read.request)
            beside.update(zip((field.name for field in read.fields), decode(read.fields, answer), strict=True))
        return beside

    def _starts(self, many: int) -> list[int]:
        stride = self.log.since.stride if self.log.since is not None else 0
        return [self.log.at + index * stride for index in range(many)]

    # ---- from registers to entries

    def _reads(self, starts: Sequence[int]) -> list[Read]:
        points = [
            replace(point, name=f"{index}.{point.name}")
            for index, start in enumerate(starts)
            for point in self.log.placed(start)
        ]
        profile = replace(self._profile, points=(*self._profile.points, *points))
        return plan(profile, self._unit, {point.name for point in points})

    def _at(self, starts: Sequence[int], beside: Mapping[str, Value], age: int = 0) -> Walk[list[Entry | None]]:
        found: list[dict[str, Value]] = [dict(beside) for _ in starts]
        heard = [b""] * len(starts)
        sizes = {point.name: (point.at, 2 * point.words) for point in self.log.entry}
        for read in self._reads(starts):
            answer = yield from _ask(read.request)
            for field, value in zip(read.fields, decode(read.fields, answer), strict=True):
                place, _, name = field.name.partition(".")
                at, size = sizes[name]
                offset = 2 * (starts[int(place)] + at - read.request.start)
                heard[int(place)] += answer[offset : offset + size]
                found[int(place)][name] = value
        return [self._understood(each, bytes_, age) for each, bytes_ in zip(found, heard, strict=True)]

    def _understood(self, found: dict[str, Value], heard: bytes, age: int) -> Entry | None:
        log = self.log
        if not heard:
            raise Unreadable("its memory lies in no block that may be read")
        # Where entries carry no time of their own, all zeros are values like others.
        if heard.strip(b"\xff") == b"" or (log.time.every_s is None and heard.strip(b"\0") == b""):
            return None
        values = {
            point.name: self._rules[point.name](found) if point.name in self._rules else found[point.name]
            for point in log.keeps
        }
        return Entry(moment(log.time, found, age), values)


def _ask(request: Request | Write) -> Walk[bytes]:
    answer = yield request
    if isinstance(answer, ExchangeError):
        raise answer
    return answer or b""


def _whole(beside: Mapping[str, Value], name: str) -> int:
    value, _ = beside.get(name, (None, None))
    if value is None or not float(value).is_integer():
        raise Unreadable("its pointer {point} says {said}", point=name, said="—" if value is None else value)
    return int(value)


def _after(found: Iterable[Entry | None], after_ms: int | None, newest: Entry | None) -> Iterable[Entry]:
    """Entries after that moment; none newer than the newest was: it has taken another's place since."""
    most_ms = newest.time_ms if newest is not None else None
    for entry in found:
        if entry is None:
            continue
        time_ms = entry.time_ms
        if time_ms is not None and after_ms is not None and time_ms <= after_ms:
            continue
        if time_ms is not None and most_ms is not None and time_ms > most_ms:
            continue
        yield entry


def _latest(entries: Iterable[Entry], after_ms: int | None) -> int | None:
    times = [entry.time_ms for entry in entries if entry.time_ms is not None]
    return max([*times, after_ms] if after_ms is not None else times, default=None)
