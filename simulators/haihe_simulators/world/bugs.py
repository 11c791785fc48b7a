"""Ten deliberate bugs: mistakes somebody could make in good faith. Put in for good, in a process of their own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from haihe_cloud.ingest.inbox import Message
from haihe_cloud.ingest.worker import Worker
from haihe_cloud.ledger.follow import Following
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.stating import Cursor
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.receipt import Receipt
from haihe_contract.record import Record
from haihe_contract.wire import decode
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.forward.held import Held
from haihe_edge.forward.outbox import Outbox
from haihe_edge.journal import archive, space
from haihe_edge.journal.journal import Journal
from haihe_edge.journal.space import Held as HeldFile
from haihe_edge.journal.thin import thin


class Bug(NamedTuple):
    """A mistake.

    Args:
        name: of it.
        put_in: makes it, in this process.
    """

    name: str
    put_in: Callable[[], None]


def _acknowledge_before_store() -> None:
    right = Worker.round

    def wrong(self: Worker, messages: Sequence[Message]) -> int:
        for message in messages:
            message.acknowledge()
        return right(self, [message._replace(acknowledge=lambda: None) for message in messages])

    _replace(Worker, "round", wrong)


def _ledger_before_store() -> None:
    def wrong(self: Any, messages: Sequence[Message]) -> int:
        taken = self._judge(messages)
        self._note_unknown(taken)
        self._gather(taken)
        arrivals, refusals = self._arrivals(taken, [])
        self._ledger.take(arrivals, refusals)
        for arrival in arrivals:
            if not arrival.envelope.volatile:
                self._owe(arrival)
        self._state_receipts(sorted(self._owed))
        self._until_it_works("store", lambda: self._store.write(taken.readings))
        for message in taken.messages:
            message.acknowledge()
        return len(taken.messages)

    _replace(Worker, "round", wrong)


def _cumulative_receipts() -> None:
    right = Ledger.receipts

    def wrong(self: Ledger, *given: Any) -> Iterator[tuple[Receipt, Cursor | None]]:
        for receipt, after in right(self, *given):
            lines = [
                msgspec.structs.replace(line, held=[(1, line.held[-1][1])] if line.held else [])
                for line in receipt.lines
            ]
            yield msgspec.structs.replace(receipt, lines=lines), after

    _replace(Ledger, "receipts", wrong)


def _drop_on_reconnect() -> None:
    right = Outbox.disconnected

    def wrong(self: Any) -> None:
        for flight in self._flying:
            self.missing(flight.offer.line, flight.offer.numbers)
        right(self)

    _replace(Outbox, "disconnected", wrong)


def _free_on_acknowledgement() -> None:
    right: Any = Forwarder._answered  # noqa: SLF001 - it is to be broken

    def wrong(self: Any, offer: Any, done: Any) -> None:
        right(self, offer, done)
        if not done.cancelled() and done.exception() is None:
            self.held.lines[offer.line] = self.held.of(offer.line) | offer.numbers
            self.outbox.settled(offer.line, self.held.of(offer.line), self._clock.monotonic_ms())
            self._receipted()

    _replace(Forwarder, "_answered", wrong)


def _line_reused_after_a_rollback() -> None:
    right: Any = Journal.open.__func__  # type: ignore[attr-defined]

    def wrong(cls: Any, /, disk: Any, **more: Any) -> Journal:
        lines = [int(name.split("-")[1], 16) for name in disk.names() if name.endswith(".journal")]
        after = iter(range(max(lines, default=0) + 1, 1 << 64))
        more["entropy"] = lambda: next(after)
        opened: Journal = right(cls, disk, **more)
        return opened

    _replace(Journal, "open", classmethod(wrong))


def _old_epoch_honoured() -> None:
    right = Held.take

    def wrong(self: Held, receipt: Receipt, *more: Any) -> bool:
        if receipt.epoch < self.epoch:
            receipt = msgspec.structs.replace(receipt, epoch=self.epoch)
        return right(self, receipt, *more)

    _replace(Held, "take", wrong)
    _replace(Held, "must_be_current", lambda _self, _receipt: None)


def _alarm_thinned() -> None:
    def wrong(line: int, records: Sequence[Record], series: Sequence[str], **more: Any) -> Any:
        return thin(line, [Record(each.number, False, each.body) for each in records], series, **more)

    right = space.next_step

    def blind(held: Sequence[HeldFile], settled: Any, **more: Any) -> Any:
        return right([each._replace(urgent=each.urgent - each.urgent) for each in held], settled, **more)

    _replace(archive, "thin", wrong)
    _replace(space, "next_step", blind)


def _stored_row_rekeyed() -> None:
    right: Any = SqliteStore._settle  # noqa: SLF001

    def wrong(self: Any, connection: Any, series_id: int, offered: Sequence[Any]) -> Any:
        connection.executemany(
            "UPDATE OR IGNORE reading SET time_ms = time_ms + 1 WHERE series_id = ? AND time_ms = ? AND value IS NOT ?",
            [(series_id, reading.time_ms, reading.value) for reading in offered],
        )
        return right(self, connection, series_id, offered)

    _replace(SqliteStore, "_settle", wrong)


def _follower_advanced_before_its_work() -> None:
    def wrong(self: Any, _patience_s: float) -> float | None:
        name = self._follower.name
        position = self._ledger.position(name)
        entries = self._ledger.arrivals(position, 16)
        if not entries:
            return None
        with self._database.transaction() as connection:
            self._ledger.advance(connection, name, position, entries[-1].position)
        with self._database.transaction() as connection:
            for entry in entries:
                self._follower.handle(entry, decode(entry.data), connection)
        return 0.0

    _replace(Following, "step", wrong)


def _replace(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)


BUGS = [
    Bug("acknowledge before store", _acknowledge_before_store),
    Bug("ledger before store", _ledger_before_store),
    Bug("cumulative instead of set receipts", _cumulative_receipts),
    Bug("drop on reconnect", _drop_on_reconnect),
    Bug("free on the broker's acknowledgement", _free_on_acknowledgement),
    Bug("line reused after a rollback", _line_reused_after_a_rollback),
    Bug("receipts of an old epoch honoured", _old_epoch_honoured),
    Bug("an alarm thinned while routine data remain", _alarm_thinned),
    Bug("a stored row re-keyed", _stored_row_rekeyed),
    Bug("follower advanced before its work", _follower_advanced_before_its_work),
]
