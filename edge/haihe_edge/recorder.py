"""From a record's number to its receipt: group commit, one forwarder per centre, and what may be freed.

The journal decides what a record is called, the forwarders what leaves; here they meet in time.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from haihe_contract.clock import Clock
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Record

from .forward.forwarder import Forwarder
from .journal import Journal

STATES_SAVE_S = 10.0
RECEIPTS_SAVE_S = 900.0
"""Each save writes a block of the card. A receipt that a power cut takes is read again from the broker, retained."""
WINDOW_SHARE = 0.75
"""Of the commit window, how much a routine reading waits; the rest is for the disk to sync."""
COMMIT_STUCK_MS = 120_000
DISK_RETRY_S = 1.0
UNKEPT_WINDOWS = 3
"""Records that have waited for the disk for so many windows are shown from memory."""
UNREAD = "older files could not be read at the start; haihe-edge journal stats names them, the next start tries again"


class Recorder:
    """Keeps what the station has to say until the required centres hold it.

    Args:
        journal: where it is kept.
        clock: of the machine.
        window_ms: how long a routine record may wait for its commit.
    """

    def __init__(self, journal: Journal, clock: Clock, window_ms: int) -> None:
        self.journal = journal
        self.forwarders: list[Forwarder] = []
        self.commits = 0
        self.committed: Callable[[Sequence[Record]], object] = lambda _records: None
        """Told what has become durable, before any of it can leave."""
        self._required: list[Forwarder] = []
        self._clock = clock
        self._wait_ms = window_ms * WINDOW_SHARE
        self._waiting = asyncio.Event()
        self._urgent = asyncio.Event()
        self._oldest_ms = 0
        self._commit_ms: int | None = None
        self._refused_ms: int | None = None
        self._unsaved: dict[Callable[[], object], str] = {}
        self._saving = threading.Lock()  # at the end a thread may still be at it
        self._unkept_after_ms = UNKEPT_WINDOWS * window_ms
        self._disk = ThreadPoolExecutor(1, "journal")  # its own: a link that hangs in name resolution must not delay it

    def add(self, forwarder: Forwarder, *, required: bool) -> None:
        """Another centre; the receipts of a required one are needed before anything may go."""
        if self.forwarders:
            forwarder.batches = self.forwarders[0].batches
        self.forwarders.append(forwarder)
        if required:
            self._required.append(forwarder)

    def record(self, body: Body, *, urgent: bool = False) -> int:
        """Give a record its number; it is durable within the window, and at once if it is urgent."""
        number = self.journal.append(body, urgent=urgent)
        self.hurry(urgent=urgent)
        return number

    def hurry(self, *, urgent: bool) -> None:
        """Something waits for its commit."""
        if not self._waiting.is_set():
            self._oldest_ms = self._clock.monotonic_ms()
            self._waiting.set()
        if urgent:
            self._urgent.set()

    @property
    def trouble(self) -> str:
        """Why the disk refuses what the journal commits, or a state that is kept beside it, or did so at the start."""
        return self.journal.trouble or next(iter(self._unsaved.values()), "") or ("" if self.journal.whole else UNREAD)

    @property
    def stuck(self) -> bool:
        """Whether the disk does not come back from a write: only a restart may help then."""
        return self._commit_ms is not None and self._clock.monotonic_ms() - self._commit_ms >= COMMIT_STUCK_MS

    async def commit(self) -> None:
        """Group commit for ever: a routine record waits at most the window, an urgent one not at all."""
        while True:
            await self._waiting.wait()
            left_ms = self._oldest_ms + self._wait_ms - self._clock.monotonic_ms()
            try:
                async with asyncio.timeout(max(0.0, left_ms / 1000)):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            self._waiting.clear()
            self._urgent.clear()
            await self._commit_now()
            if self.journal.trouble:
                await self._clock.sleep(DISK_RETRY_S)  # the disk refuses: try again, keep measuring
            if self.journal.waiting:
                self._waiting.set()

    async def _commit_now(self) -> None:
        freed = self.journal.files_freed
        began = self._commit_ms = self._clock.monotonic_ms()
        committing = asyncio.get_running_loop().run_in_executor(self._disk, self.journal.commit)
        while not committing.done():
            await asyncio.wait({committing}, timeout=max(DISK_RETRY_S, self._unkept_after_ms / 1000))
            if not committing.done():
                self._show_unkept(began)  # the disk hangs
        records = committing.result()
        self._commit_ms = None
        if records:
            self.commits += 1
            self.committed(records)
        self._refused_ms = (began if self._refused_ms is None else self._refused_ms) if self.journal.trouble else None
        if self._refused_ms is not None:
            self._show_unkept(self._refused_ms)
        for forwarder in self.forwarders:
            if records:
                forwarder.committed(records)
            if self.journal.files_freed != freed:
                forwarder.refresh()

    def _show_unkept(self, since_ms: int) -> None:
        """What the disk has not taken for long goes to the centres from memory, on a line that counts for nothing."""
        if self._clock.monotonic_ms() - since_ms >= self._unkept_after_ms:
            unkept = self.journal.unkept()
            for forwarder in self.forwarders:
                forwarder.unkept(unkept)

    def receipted(self) -> None:
        """What all required centres hold may go when its space is needed."""
        if self._required:
            self.journal.settle(held_by_all(self._required))

    async def save(
        self, states: Sequence[Callable[[], object]] = (), note: Callable[[], object] = lambda: None
    ) -> None:
        """Keep for ever, over restarts, what the centres hold, and the states whose saving is given.

        Args:
            states: called in a thread of their own; each saves one.
            note: called before them on the event loop, where nothing changes meanwhile.
        """
        every_s = STATES_SAVE_S if states else RECEIPTS_SAVE_S
        states_ms = receipts_ms = self._clock.monotonic_ms()
        while True:
            await self._clock.sleep(DISK_RETRY_S if self._unsaved else every_s)
            now = self._clock.monotonic_ms()
            if self._unsaved and now - states_ms < every_s * 1000:
                await asyncio.to_thread(self._save_each, tuple(self._unsaved))
                continue
            states_ms = now
            due = now - receipts_ms >= RECEIPTS_SAVE_S * 1000
            if due:
                receipts_ms = now
            note()
            await asyncio.to_thread(self.save_now, states, receipts=due)

    def save_now(self, states: Sequence[Callable[[], object]] = (), *, receipts: bool = True) -> None:
        """Save once; what the disk refuses is a :attr:`trouble` until it is saved."""
        self._save_each([*states, *(forwarder.held.save for forwarder in self.forwarders if receipts)])

    def _save_each(self, saves: Sequence[Callable[[], object]]) -> None:
        with self._saving:
            unsaved = dict(self._unsaved)
            for save in saves:
                try:
                    save()
                    unsaved.pop(save, None)
                except OSError as error:
                    unsaved[save] = f"{error.strerror or error} ({error.filename})"
            self._unsaved = unsaved  # in one step: the event loop reads it meanwhile


def held_by_all(forwarders: Sequence[Forwarder]) -> dict[int, RangeSet]:
    """Numbers per line that every one of these centres holds or refused."""
    lines = set.intersection(*(set(forwarder.held.lines) for forwarder in forwarders))
    settled: dict[int, RangeSet] = {}
    for line in lines:
        held = forwarders[0].held.of(line)
        for forwarder in forwarders[1:]:
            held = held & forwarder.held.of(line)
        settled[line] = held
    return settled
