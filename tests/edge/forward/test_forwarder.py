"""One centre over one link: what is on the wire, in which order, and what frees it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, LANE_NAMES, Dictionary, Readings
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.forward.held import Held
from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.journal import Journal

from tests.edge.forward.under_way import under_way
from tests.edge.journals import journal_in

STATION, CENTRE = "31005650", "bureau"
WORDS = Dictionary(["supply_voltage.main.instant.0.instrument.-"])
KEY = Ed25519PrivateKey.generate()


class Centre:
    """A centre at the other end of the link port: a ledger, and receipts when the test wants them."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.batches: list[wire.Batch] = []
        self.held: dict[int, RangeSet] = {}
        self.epoch = 1
        self.up = True
        self.answers = True
        self.refuses = ""
        self.arrived = asyncio.Event()
        self._ended: asyncio.Future[str] | None = None

    async def connect(self) -> None:
        if not self.up:
            raise LinkDown("no route")
        self._ended = asyncio.get_running_loop().create_future()
        if self.held:
            self.say()

    def publish(self, name: str, payload: bytes) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.refuses:
            done.set_exception(PublishRefused(self.refuses))
            return done
        batch = wire.decode(payload)
        assert name == topic.up(STATION, batch.lane)
        self.batches.append(batch)
        numbers = RangeSet.from_numbers(record.number for record in batch.records)
        self.held[batch.line] = self.held.get(batch.line, EMPTY) | numbers
        if self.answers and numbers:
            self.say()
        done.set_result(None)
        self.arrived.set()
        return done

    def say(self, key: Ed25519PrivateKey = KEY) -> None:
        lines = [LineHeld(line, list(numbers.ranges)) for line, numbers in self.held.items()]
        receipt = Receipt(1, CENTRE, self.epoch, STATION, 0, lines)
        self.incoming.put_nowait((topic.receipt(STATION, CENTRE), receipts.sign(receipt, key)))

    async def closed(self) -> str:
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result("cut")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.arrived.clear()
                waiting = asyncio.ensure_future(self.arrived.wait())
                await asyncio.wait({waiting}, timeout=0.05)
                waiting.cancel()


def journal_with(directory: Path, count: int) -> Journal:
    journal = journal_in(directory, size=1 << 22, dictionary=WORDS)
    for n in range(count):
        journal.append(Readings(1_790_000_000_000 + n * 1000, 5, [0], [12 + n / 1000]))
        if n % 50 == 0:
            journal.commit()
    journal.commit()
    return journal


def forwarding(journal: Journal, centre: Centre, held: Held | None = None) -> AbstractAsyncContextManager[Forwarder]:
    key = PublicKey(KEY.public_key().public_bytes_raw())
    return under_way(journal, centre, station=STATION, centre=CENTRE, key=key, held=held)


def whole(journal: Journal) -> RangeSet:
    return RangeSet.of((1, journal.head))


async def test_after_an_outage_the_newest_value_arrives_first_and_then_everything(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 5000), Centre()
    async with forwarding(journal, centre) as forwarder:
        # nothing has been committed since the start: the newest of each series is not known, all is backlog
        forwarder.committed(journal.read(journal.line, RangeSet.of((journal.head, journal.head))))
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
    first = centre.batches[0]
    assert first.lane == LANE_LIVE
    assert [r.number for r in first.records if isinstance(r.body, Readings)] == [5002]
    assert {batch.lane for batch in centre.batches[1:]} <= {LANE_LIVE, LANE_BACKLOG}
    assert centre.held[journal.line].covers(RangeSet.of((1, 5002)))


async def test_every_batch_carries_the_dictionary_until_a_receipt_covers_it(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 5000), Centre()
    centre.answers = False
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: len([b for b in centre.batches if b.records]) >= 2)
        assert all(dict(wire.dictionaries(batch)) == {2: WORDS} for batch in centre.batches if batch.records)
        centre.answers = True
        centre.say()
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
        assert not dict(wire.dictionaries(centre.batches[-1]))


async def test_nothing_that_a_receipt_covers_is_sent_again_after_a_restart(tmp_path: Path) -> None:
    journal, centre, held = journal_with(tmp_path, 3000), Centre(), Held(tmp_path / "receipts")
    async with forwarding(journal, centre, held) as forwarder:
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
        held.save()
    before = journal.line
    centre.batches.clear()
    again = journal_with(tmp_path, 10)
    async with forwarding(again, centre, Held(tmp_path / "receipts")) as forwarder:
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
    assert not [batch for batch in centre.batches if batch.line == before and batch.records]


async def test_a_new_epoch_makes_the_station_send_again_what_it_still_has(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 3000), Centre()
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
        centre.batches.clear()
        centre.held, centre.epoch = {journal.line: RangeSet.of((1, 5))}, 2
        centre.say()
        await centre.until(lambda: centre.held[journal.line].covers(RangeSet.of((1, 3002))))


async def test_a_connection_that_drops_loses_nothing(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 5000), Centre()
    async with forwarding(journal, centre) as forwarder:
        for _ in range(3):
            seen = len(centre.batches)
            await centre.until(lambda seen=seen: len(centre.batches) > seen)  # type: ignore[misc]
            centre.cut()
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
    assert centre.held[journal.line].covers(RangeSet.of((1, 5002)))


async def test_an_acknowledgement_that_says_refused_is_seen_and_frees_nothing(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 10), Centre()
    centre.refuses = "Not authorized"
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: "Not authorized" in forwarder.trouble)
        assert forwarder.outbox.unsettled() == 12


async def test_a_receipt_with_a_wrong_signature_frees_nothing_and_is_said(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 10), Centre()
    centre.answers = False
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: bool(centre.held))
        centre.say(Ed25519PrivateKey.generate())
        await centre.until(lambda: "signature" in forwarder.trouble)
        assert forwarder.outbox.unsettled() == 12


async def test_a_receipt_of_an_older_epoch_than_is_kept_frees_nothing_and_is_said(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 10), Centre()
    held = Held()
    held.take(Receipt(1, CENTRE, 2, STATION, 0, []))
    async with forwarding(journal, centre, held=held) as forwarder:
        await centre.until(lambda: "older than those that are kept here" in forwarder.trouble)
        assert forwarder.outbox.unsettled() == 12
        assert forwarder.last_receipt_ms == 0
        centre.epoch = 3
        centre.say()
        await centre.until(lambda: forwarder.trouble == "" and forwarder.outbox.unsettled() == 0)


async def test_a_link_that_is_down_is_said_with_its_reason_and_tried_again(tmp_path: Path) -> None:
    journal, centre = journal_with(tmp_path, 10), Centre()
    centre.up = False
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: forwarder.trouble == "no route")
        assert not forwarder.connected
        centre.up = True
        await centre.until(lambda: forwarder.outbox.unsettled() == 0)
        assert forwarder.connected


def test_lanes_have_a_topic_each() -> None:
    assert [topic.up(STATION, lane).rsplit("/", 1)[1] for lane in range(3)] == list(LANE_NAMES)


async def test_a_receipt_that_was_brought_by_hand_frees_what_it_covers_and_says_nothing_of_the_link(
    tmp_path: Path,
) -> None:
    journal, centre = journal_with(tmp_path, 200), Centre()
    centre.answers = False
    async with forwarding(journal, centre) as forwarder:
        await centre.until(lambda: bool(centre.batches))
        before = forwarder.outbox._heard_ms, forwarder._got_receipt
        lines = [LineHeld(journal.line, [(1, 100)])]
        forwarder.bring(receipts.sign(Receipt(1, CENTRE, 1, STATION, 0, lines), KEY))
        assert forwarder.held.of(journal.line) == RangeSet.of((1, 100))
        assert forwarder.outbox.unsettled() == journal.head - 100
        assert (forwarder.outbox._heard_ms, forwarder._got_receipt) == before, "a dead link stays a dead link"
        with pytest.raises(receipts.ReceiptRefused, match="not of the centre's receipt key"):
            forwarder.bring(receipts.sign(Receipt(1, CENTRE, 1, STATION, 0, lines), Ed25519PrivateKey.generate()))
        assert forwarder.trouble == "", "who has brought it is told, and the link has no trouble by it"
        forwarder.bring(receipts.sign(Receipt(1, CENTRE, 2, STATION, 0, [LineHeld(journal.line, [(1, 7)])]), KEY))
        forwarder.bring(receipts.sign(Receipt(1, CENTRE, 1, STATION, 0, lines), KEY))
        assert forwarder.held.of(journal.line) == RangeSet.of((1, 7)), "of the higher epoch, whatever comes late"


async def test_an_agent_that_is_told_to_end_at_the_moment_its_link_breaks_does_end(tmp_path: Path) -> None:
    for steps in range(12):
        journal, centre = journal_with(tmp_path / str(steps), 10), Centre()
        async with asyncio.timeout(5), forwarding(journal, centre):
            await centre.until(lambda reached=centre: bool(reached.batches))
            centre.cut()
            for _ in range(steps):
                await asyncio.sleep(0)
