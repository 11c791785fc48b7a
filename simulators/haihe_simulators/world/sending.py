"""What stations send, and which receipts they hear: the ways' side of the account."""

from collections import Counter, defaultdict

import msgspec
from haihe_contract import wire
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_BACKLOG, Dictionary, Readings

from .cards import CardAccount, Line
from .decoding import decode
from .habit import SERIES
from .history import History
from .times import Times
from .watched import Machine, StationLink

SIGNATURE_BYTES = 64


class SendingAccount(CardAccount):
    """Everything that is known of what is on its way.

    Args:
        required: centres whose receipts free.
        history: what happened, for people.
        times: when everything was measured.
    """

    def __init__(self, required: set[str], history: History, times: Times) -> None:
        super().__init__(required, history, times)
        self.said: dict[str, set[bytes]] = defaultdict(set)
        """By centre: every receipt that it has stated."""
        self._decoded: dict[bytes, wire.Batch] = {}
        self._sessions: dict[StationLink, _Session] = {}
        self._volatile: set[Line] = set()
        """Lines that live in memory only: no ledger may know them."""
        self._shown: set[tuple[str, str, int]] = set()
        """Places of what was sent on them: station, series, time."""

    def connected(self, machine: "Machine", link: "StationLink") -> None:
        """A station has a new connection."""
        newest: dict[int, int] = {}
        if machine.recorder is not None:
            bodies = self.bodies[machine.station, machine.recorder.journal.line]
            for number in sorted(bodies, reverse=True):
                body = bodies[number].body
                if isinstance(body, Readings):
                    newest = dict.fromkeys(body.series, number) | newest
                if len(newest) == len(SERIES):
                    break
        self._sessions[link] = _Session(newest)

    def sent(self, machine: "Machine", centre: str, link: "StationLink", payload: bytes) -> None:
        """A batch leaves a station."""
        batch = self._decoded[payload] = decode(payload)
        key = (machine.station, batch.line)
        if batch.volatile:
            self._sent_from_memory(machine, key, batch)
            return
        bodies = self.bodies[key]
        for record in batch.records:
            if bodies.get(record.number) != record:
                self.fail(f"{machine.name} sends number {record.number} of line {batch.line:016x} before it is durable")
        self._check_order(machine, link, batch)

    def _sent_from_memory(self, machine: "Machine", key: Line, batch: wire.Batch) -> None:
        """While the disk refuses: only what really waits for it, on a line of its own."""
        self.hit("sent from memory")
        if key in self.bodies:
            self.fail(f"{machine.name} sends from memory on line {key[1]:016x} of its journal")
        self._volatile.add(key)
        names = next((r.body.series for r in batch.records if isinstance(r.body, Dictionary)), SERIES)
        for record in batch.records:
            if isinstance(record.body, Dictionary):
                continue
            if machine.recorder is None or not self.waits(machine, machine.recorder.journal.line, record):
                self.fail(f"{machine.name} sends from memory what was never measured: {record.body}")
            if isinstance(record.body, Readings):
                self._shown |= {(key[0], names[series], record.body.time_ms) for series in record.body.series}

    def _check_order(self, machine: "Machine", link: "StationLink", batch: wire.Batch) -> None:
        """On a new connection the newest of each series goes before any backlog."""
        session = self._sessions[link]
        session.sent[batch.line] = session.sent.get(batch.line, EMPTY) | RangeSet.from_numbers(
            record.number for record in batch.records
        )
        session.lanes[batch.lane] += 1
        if batch.lane != LANE_BACKLOG or session.checked or machine.recorder is None:
            return
        session.checked = True
        line = machine.recorder.journal.line
        centre = link.receipts.rpartition("/")[2]
        card = self._card(machine)
        known = card.receipted.get(centre, {}).get(card.heard.get(centre, 0), {}).get(line, EMPTY)
        gone = session.sent.get(line, EMPTY) | known
        for series, number in session.newest.items():
            if not gone or gone.last < number:
                self.fail(
                    f"{machine.name} sends backlog, and nothing of series {series} as new as what it had when it"
                    f" connected: number {number} of line {line:016x}"
                )
        self.hit("live before backlog")

    def heard(self, machine: "Machine", centre: str, payload: bytes) -> None:
        """An agent takes a receipt."""
        if payload not in self.said[centre]:
            return
        _, _, epoch, _, _, lines, _, wanted, *_ = msgspec.msgpack.decode(payload[SIGNATURE_BYTES:])
        card = self._card(machine)
        if epoch < card.heard.get(centre, 0):
            self.hit("receipt of an old epoch")
            return
        if epoch > card.heard.get(centre, 0):
            self.looked(machine)
            card.heard[centre] = epoch
            card.known[centre], card.asked[centre] = {}, {}
        known, asked = card.known.setdefault(centre, {}), card.asked.setdefault(centre, {})
        for line, ranges in wanted:
            asked[line] = asked.get(line, EMPTY) | RangeSet(map(tuple, ranges))
            known[line] = known.get(line, EMPTY) - asked[line]
        receipted = card.receipted.setdefault(centre, {}).setdefault(epoch, {})
        for line, held, refused in lines:
            numbers = RangeSet(map(tuple, held + refused))
            receipted[line] = receipted.get(line, EMPTY) | numbers
            known[line] = known.get(line, EMPTY) | (numbers - asked.get(line, EMPTY))


class _Session:
    def __init__(self, newest: dict[int, int]) -> None:
        self.newest = newest
        """By series: the newest number when it began."""
        self.sent: dict[int, RangeSet] = {}
        self.lanes: Counter[int] = Counter()
        self.checked = False
