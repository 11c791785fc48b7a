"""Filling silences from an instrument's own memory: one exchange at a time, when the bus has nothing else to do."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade

from haihe_edge import limits
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.group import MemoryState, Said, Sample
from haihe_edge.acquire.modbus.frames import Request, Write
from haihe_edge.acquire.modbus.log import Entry, Taken, Unreadable, Walk
from haihe_edge.acquire.modbus.recipe import Wait
from haihe_edge.acquire.modbus.unit import Unit
from haihe_edge.acquire.power import Supplies
from haihe_edge.acquire.schedule import growing
from haihe_edge.site import Recall

from .missed import Missed

Recalled = Callable[[int, list[Sample]], None]
"""Given an entry that was missed: its time in milliseconds UTC, and its samples."""
_AHEAD: Said = ("its clock is ahead: {n} entries lie in the future and were refused", {})


class _Reading(NamedTuple):
    """A log that is being read: since when by both clocks, and how far it is."""

    recall: Recall
    walk: Walk[None]
    began_ms: int


class Memory:
    """The memory of one instrument.

    Args:
        unit: the instrument.
        recalls: the logs that the site uses, and what they tell.
        missed: what the station lacks.
        clock: for pauses.
        now: the station's time and how good it is.
        recalled: takes what was found.
    """

    def __init__(
        self,
        unit: Unit,
        recalls: tuple[Recall, ...],
        missed: Missed,
        clock: Clock,
        now: Callable[[], tuple[int, Grade]],
        recalled: Recalled,
    ) -> None:
        self.unit = unit
        self._recalls = recalls
        self._missed = missed
        self._clock = clock
        self._now = now
        self._recalled = recalled
        self._states = {each.log: MemoryState(each.log) for each in recalls}
        self._failures = dict.fromkeys(self._states, 0)
        self._again_ms = dict.fromkeys(self._states, 0)
        self._reading: _Reading | None = None
        self._left = 0
        self._ask: Request | Write | None = None
        self._ready_ms = 0
        unit.state.memory = list(self._states.values())

    def ready_ms(self) -> int | None:
        """The monotonic moment of its next exchange, None when there is none."""
        if not self.unit.is_sure:
            self._drop()  # what it remembers may be another when it is back
            return None
        if self._reading is None and not self._begin():
            return None
        return self._ready_ms

    @property
    def takes_ms(self) -> float:
        """How long the next exchange takes at most."""
        return 0.0 if self._ask is None else self.unit.takes_ms(self._ask)

    async def step(self) -> None:
        """The next exchange.

        Raises:
            BusDown: when the bus cannot be used.
        """
        if self._ask is not None:
            answer = await self.unit.remember(self._ask)
            self._advance(answer)
        else:
            self._advance(None)

    def _begin(self) -> bool:
        now_ms, grade = self._now()
        if grade is Grade.NONE:
            return False
        monotonic = self._clock.monotonic_ms()
        for recall in self._recalls:
            log = self.unit.logs.get(recall.log)
            wanted = self._missed.wants(recall.numbers, now_ms)
            self._states[recall.log].reading = wanted
            self._states[recall.log].given_up = self._missed.given_up(recall.numbers)
            if log is None or not wanted or monotonic < self._again_ms[recall.log]:
                continue
            walk = log.walk(self._missed.after(recall.numbers))
            self._reading = _Reading(recall, walk, now_ms)
            self._left = limits.MEMORY_ENTRIES_MAX
            self._ready_ms = 0
            self._states[recall.log].future = 0
            self._advance(None)
            return self._reading is not None
        return False

    def _advance(self, answer: bytes | ExchangeError | None) -> None:
        """Let the walk go on to its next exchange, or wait, or end."""
        reading = self._reading
        if reading is None:
            return
        log = reading.recall.log
        try:
            step = reading.walk.send(answer)
            while isinstance(step, Taken):
                self._left -= len(step.entries)
                for entry in step.entries:
                    self._take(reading.recall, entry)
                if self._left <= 0:
                    self._rest(log, limits.MEMORY_PAUSE_MS_MIN)
                    return
                step = next(reading.walk)
        except StopIteration:
            self._end(reading)
        except ExchangeError as error:
            self._fail(log, (error.sentence, error.facts))
        except Unreadable as error:
            self._fail(log, (error.sentence, error.facts))
        else:
            if isinstance(step, Wait):
                self._ask, self._ready_ms = None, self._clock.monotonic_ms() + step.milliseconds
            else:
                self._ask, self._ready_ms = step, 0

    def _take(self, recall: Recall, entry: Entry) -> None:
        state = self._states[recall.log]
        if entry.time_ms is None:
            state.damaged += 1
            return
        ahead_ms = entry.time_ms - self._now()[0]
        if ahead_ms > limits.MEMORY_FUTURE_MS:
            # The interval that is going on now is stamped at its end, and is told when it has ended.
            state.future += ahead_ms > self.unit.logs[recall.log].log.interval_s * 1000
            return
        samples: list[Sample] = [
            (number, *entry.values[name])
            for name, numbers in recall.series.items()
            for number in numbers
            if name in entry.values and self._missed.take(number, entry.time_ms)
        ]
        if samples:
            state.entries += 1
            state.newest_ms = entry.time_ms
            self._recalled(entry.time_ms, samples)

    def _end(self, reading: _Reading) -> None:
        state = self._states[reading.recall.log]
        self._missed.close(reading.recall.numbers, reading.began_ms)
        self._failures[reading.recall.log] = 0
        state.error = (_AHEAD[0], {"n": state.future}) if state.future else None
        state.reading = False
        self._drop()

    def _fail(self, log: str, said: Said) -> None:
        self._states[log].error = said
        pause = growing(limits.MEMORY_PAUSE_MS_MIN, self._failures[log], limits.MEMORY_PAUSE_MS_MAX)
        self._failures[log] += 1
        self._rest(log, pause)

    def _rest(self, log: str, pause_ms: int) -> None:
        self._again_ms[log] = self._clock.monotonic_ms() + pause_ms
        self._drop()

    def _drop(self) -> None:
        if self._reading is not None:
            self._reading.walk.close()
        self._reading = self._ask = None


class Memories:
    """The memories of one bus.

    Args:
        memories: of its instruments.
        clock: of the bus.
    """

    def __init__(self, memories: Sequence[Memory], clock: Clock) -> None:
        self._memories = memories
        self._clock = clock
        self._fed: set[str] = set()

    async def step(self, due_ms: int | None, supplies: Supplies | None) -> int | None:
        """One exchange, if it is over before the next turn even without an answer.

        Args:
            due_ms: the next turn, monotonic; None when nobody's comes.
            supplies: the station's switched supplies.

        Returns:
            When to look again, None for after the next turn.

        Raises:
            BusDown: when the bus cannot be used.
        """
        looks = []
        for memory in self._memories:
            now = self._clock.monotonic_ms()
            at = self._fed_at(memory, memory.ready_ms(), supplies)
            if at is None:
                continue
            if at > now:
                looks.append(at)
            elif due_ms is None or now + memory.takes_ms <= due_ms:
                await memory.step()
                return self._clock.monotonic_ms()
        return min(looks, default=None)

    def _fed_at(self, memory: Memory, at_ms: int | None, supplies: Supplies | None) -> int | None:
        """Have it fed as long as it is read; when it can be asked."""
        name = memory.unit.name
        if supplies is None or not supplies.feeds(name):
            return at_ms
        if at_ms is None:
            if name in self._fed:
                self._fed.discard(name)
                supplies.release(name, memory.unit.due_ms)
            return None
        self._fed.add(name)
        return max(at_ms, self._clock.monotonic_ms() + supplies.wait_ms(name))
