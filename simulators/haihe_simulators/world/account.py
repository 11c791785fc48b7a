"""The world's own account: what every station ever committed, against what centres and cards really hold.

It never asks the code under test what is right. Cards are read frame by frame (``reading``), stores and ledgers by
their own SQL, receipts as the bytes that went by.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from haihe_cloud.ledger.packed import unpack
from haihe_contract import topic as topics
from haihe_contract import wire
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Dictionary, Readings, Record, Summary
from haihe_edge.journal.journal import DICTIONARY_NUMBER

from .books import all_held, booked, epoch_of, kept, known, knows_dictionary, quarantined
from .cards import Line
from .decoding import decode
from .habit import SERIES
from .history import History
from .placing import STORED_UNTIL_MS, Told, apart_of, extremes_missing, misplaced
from .rows import Row, all_stored, rows_of, stored_of
from .sending import SIGNATURE_BYTES, SendingAccount
from .times import Fix, Times
from .watched import Centre, Machine


class _AtCentre:
    """What one centre was seen to hold."""

    def __init__(self) -> None:
        self.epoch = 0
        self.verified: dict[Line, RangeSet] = defaultdict(lambda: EMPTY)
        """Receipted, and found in the store."""
        self.refused: dict[Line, RangeSet] = defaultdict(lambda: EMPTY)
        self.heads: dict[Line, int] = {}
        self.restored_away: dict[Line, RangeSet] = defaultdict(lambda: EMPTY)
        self.knows: set[Line] = set()
        """Lines whose dictionary it has; it may forget them only by a restore."""
        self.removed: dict[str, dict[int, RangeSet]] = {}
        """What it held of a station when that was revoked."""
        self.placed_by: dict[tuple[str, str], int] = {}
        """By boot: the offset by which readings of it were seen in their places."""


class Account(SendingAccount):
    """Everything that is known of one world.

    Args:
        required: centres whose receipts free.
        history: what happened, for people.
        times: when everything was measured.
    """

    def __init__(self, required: set[str], history: History, times: Times) -> None:
        super().__init__(required, history, times)
        self._centres: dict[str, _AtCentre] = defaultdict(_AtCentre)
        self._understood: set[Line] = set()

    # ---- centres ------------------------------------------------------------------------------------------------

    def centre_starts(self, centre: "Centre") -> None:
        """A centre's process has started."""
        at, now = self._centres[centre.name], epoch_of(centre)
        if at.epoch and now != at.epoch:
            self.fail(f"{centre.name} has begun epoch {now} after {at.epoch}, and was not restored")
        at.epoch = now

    def receipt(self, centre: "Centre", payload: bytes) -> None:
        """A centre states what it holds: every number of it must be in its store."""
        at = self._centres[centre.name]
        _, name, epoch, station, _, lines, _, wanted, _ = msgspec.msgpack.decode(payload[SIGNATURE_BYTES:])
        if name != centre.name or epoch != at.epoch:
            self.fail(f"{centre.name} states a receipt of {name}, epoch {epoch}, and its epoch is {at.epoch}")
        self.said[centre.name].add(payload)
        for line, ranges, refused in lines:
            key, held = (station, line), RangeSet(map(tuple, ranges))
            if new := held - at.verified[key]:
                self._check_rows(centre, key, self._committed_of(centre, key, new), self._names(key))
                at.verified[key] |= held
            fresh = RangeSet(map(tuple, refused)) - at.refused[key]
            if fresh:
                self.hit("refused numbers")
                at.refused[key] |= fresh
                if fresh := fresh - quarantined(centre, key):
                    self.fail(f"{centre.name} has refused {fresh} of line {line:016x} and kept no bytes")
                self._check_refused(centre, key, at.refused[key])
        for line, ranges in wanted:
            self.hit("asked for again")
            held, refused = booked(centre, (station, line))
            if needless := RangeSet(map(tuple, ranges)) & (held | refused):
                self.fail(f"{centre.name} asks for {needless} of line {line:016x} again, and has them")

    def _check_refused(self, centre: "Centre", key: Line, numbers: RangeSet) -> None:
        """Only what lies beyond any calendar is refused."""
        for number in numbers.numbers():
            body = self.bodies[key][number].body if number in self.bodies[key] else None
            times = [body.time_ms] if isinstance(body, Readings) else []
            if isinstance(body, Summary):
                times = [extreme[0] for told in body.series for extreme in (told.lowest, told.highest)]
            if max(times, default=0) <= STORED_UNTIL_MS:
                self.fail(f"{centre.name} has refused number {number} of line {key[1]:016x}, which is good: {body}")

    def round_begins(self, centre: Centre, payloads: Sequence[bytes]) -> None:
        """A centre takes messages; those of a line whose dictionary it has not are left to be sent again."""
        lines = {(b.station, b.line) for b in map(self._decoded.get, payloads) if b is not None}
        knows = self._centres[centre.name].knows
        knows |= {key for key in lines - knows if knows_dictionary(centre, key)}
        self._understood = lines & knows

    def acknowledged(self, centre: "Centre", topic: str, payload: bytes) -> None:
        """A centre tells the broker to forget a message: it must be durable by then, or not be meant to."""
        station = topics.station_of(topic) or ""
        if not known(centre, station):
            return  # of a station that may not speak nothing is kept
        try:
            batch = decode(payload)
        except wire.WireError:
            if not kept(centre, payload):
                self.fail(f"{centre.name} let go of bytes that it did not understand")
            return
        key = (station, batch.line)
        held, refused = booked(centre, key)
        if batch.volatile:
            self._taken_from_memory(centre, key, payload, batch)
            return
        numbers = RangeSet.from_numbers(record.number for record in batch.records) - held - refused
        carries = any(record.number == DICTIONARY_NUMBER for record in batch.records)
        if numbers and (carries or key in self._understood):
            self.fail(f"{centre.name} acknowledged {numbers} of line {batch.line:016x} and does not hold them")
        self._centres[centre.name].heads[key] = max(self._centres[centre.name].heads.get(key, 0), batch.head)

    def _taken_from_memory(self, centre: "Centre", key: Line, payload: bytes, batch: wire.Batch) -> None:
        if kept(centre, payload):
            return
        names = next((r.body.series for r in batch.records if isinstance(r.body, Dictionary)), SERIES)
        self._check_rows(centre, key, batch.records, names)

    def restored(self, centre: "Centre") -> None:
        """A centre goes on from a backup: what it had since is gone from it, and it must say so by its epoch."""
        at = self._centres[centre.name]
        epoch = epoch_of(centre)
        if epoch <= at.epoch:
            self.fail(f"{centre.name} was restored and its epoch is {epoch}, after {at.epoch}")
        at.epoch = epoch
        for key in list(at.verified):
            held, refused = booked(centre, key)
            lost = at.verified[key] - held
            at.restored_away[key] |= lost | (at.refused[key] - refused)
            at.verified[key], at.refused[key] = at.verified[key] & held, at.refused[key] & refused
        at.heads, at.placed_by, at.knows = {}, {}, set()

    def revoked(self, centre: "Centre", station: str) -> None:
        """A station's key was revoked there."""
        self._centres[centre.name].removed[station] = all_held(centre, station)

    def is_revoked(self, centre: "Centre", station: str) -> bool:
        """Whether its key is revoked there now."""
        return station in self._centres[centre.name].removed

    def admitted_again(self, centre: "Centre", station: str) -> None:
        """It may speak again: nothing it sent meanwhile may have been taken."""
        self.check_revoked(centre)
        self._centres[centre.name].removed.pop(station, None)

    def check_revoked(self, centre: "Centre") -> None:
        """Nothing of a revoked station is taken."""
        for station, before in self._centres[centre.name].removed.items():
            if all_held(centre, station) != before:
                self.fail(f"{centre.name} has taken numbers of {station}, whose key is revoked")

    def _committed_of(self, centre: "Centre", key: Line, numbers: RangeSet) -> list[Record]:
        """The records of numbers that a centre holds; each must have been committed."""
        bodies = self.bodies[key]
        records = [bodies[number] for number in numbers.numbers() if number in bodies]
        if len(records) < numbers.count():
            strange = numbers - RangeSet.from_numbers(bodies)
            self.fail(f"{centre.name} holds {strange} of line {key[1]:016x}, which {key[0]} never committed")
        return records

    def _check_rows(self, centre: Centre, key: Line, records: Sequence[Record], names: Sequence[str]) -> None:
        """What these records say is in the store; only their places are read."""
        rows = rows_of(key, records, names)
        placed = [_placed(row, fix) for _, row in rows if row[5] for fix in self.times.of_line(*key)]
        self._check_found(centre, key, rows, stored_of(centre, key, [row for _, row in rows] + placed))

    def _check_found(self, centre: Centre, key: Line, rows: Sequence[tuple[int, Row]], stored: set[Row]) -> None:
        for number, row in rows:
            if row not in stored and not (row[5] and self._is_placed(centre, key, row, stored)):
                self.fail(
                    f"{centre.name} has taken number {number} of line {key[1]:016x} of {key[0]}, and its store has no"
                    f" {row[1]} = {row[4]} at {row[3]}"
                )

    def _is_placed(self, centre: Centre, key: Line, row: Row, stored: set[Row]) -> bool:
        """Whether a reading has got its time there, by the same fix as others of its boot before."""
        at = self._centres[centre.name]
        for fix in self.times.of_line(*key):
            if _placed(row, fix) in stored:
                before = at.placed_by.setdefault(self.times.boot_of(*key), fix.offset_ms)
                if fix.offset_ms != before:
                    self.fail(f"{centre.name} places a reading of line {key[1]:016x} by {fix}, and had by {before}")
                return True
        return False

    # ---- all of it ----------------------------------------------------------------------------------------------

    def check(self, machines: Sequence[Machine], centres: Sequence[Centre]) -> None:
        """Promise 1, now."""
        for machine in machines:
            self.looked(machine)
        for centre in centres:
            if centre.up:
                self.check_revoked(centre)
        for key, committed in self._committed.items():
            here = EMPTY
            for machine in machines:
                if machine.station == key[0]:
                    here |= self._card(machine).here.get(key[1], EMPTY)
            for name in self.required:
                at = self._centres[name]
                left = committed - at.verified[key] - at.refused[key] - here
                left = left - self.taken[key] - at.restored_away[key]
                if left and (left := left - self._named_at(name, key, machines)):
                    self.fail(f"{left} of line {key[1]:016x} of {key[0]} are neither at {name} nor in the station")

    def _named_at(self, centre: str, key: Line, machines: Sequence[Machine]) -> RangeSet:
        at = self._centres[centre]
        named = EMPTY
        for own, number, about, numbers in self._named[key[0]]:
            safe = number in at.verified[own] or number in at.restored_away[own] or number in self.taken[own]
            safe = safe or number in at.refused[own]  # for a value in it: what is gone it says all the same
            if about == key[1] and (
                safe or any(number in self._card(m).here.get(own[1], EMPTY) for m in machines if m.station == key[0])
            ):
                named |= numbers
        return named

    def still_to_come(self, machine: "Machine", centre: "Centre") -> dict[int, RangeSet]:
        """What is on the card and not booked at that centre."""
        left: dict[int, RangeSet] = {}
        for line, numbers in self._card(machine).here.items():
            held, refused = booked(centre, (machine.station, line))
            if missing := numbers - held - refused:
                left[line] = missing
        return left

    def finish(self, machines: Sequence[Machine], centres: Sequence[Centre]) -> None:
        """Everything once more, at rest."""
        self.check(machines, centres)
        self.hits += self.times.hits
        ever = self._ever()
        rows_by: dict[Line, tuple[RangeSet, list[tuple[int, Row]]]] = defaultdict(lambda: (EMPTY, []))
        """Of each line, of what any centre holds: made once for all of them."""
        apart = {key: apart_of(bodies) for key, bodies in self.bodies.items()}
        for centre in centres:
            lines: dict[Line, Told] = {}
            stored = all_stored(centre)
            witnessed: dict[Line, list[tuple[int, int]]] = defaultdict(list)
            last = 0
            passed = centre.database.connection().execute("SELECT * FROM witness ORDER BY rowid").fetchall()
            for position, station, line, first, end in passed:
                if position < last:
                    self.fail(f"{centre.name}: position {position} passed the follower after {last}")
                last = position
                witnessed[station, int(line, 16)].append((first, end))
            for station, line, head, *packed in centre.database.connection().execute(
                "SELECT station, line, head, held, refused, gaps FROM line"
            ):
                key = (station, int(line, 16))
                held, refused, gaps = map(unpack, packed)
                if key in self._volatile:
                    self.fail(f"{centre.name} books line {line}, which {station} never had on its disk")
                of, rows = rows_by[key]
                rows += rows_of(key, self._committed_of(centre, key, held - of), self._names(key))
                rows_by[key] = (of | held, rows)
                absent = [each for each in rows if each[1] not in stored and each[0] in held]
                self._check_found(centre, key, absent, stored)
                self._finish_line(centre, machines, key, head, held, refused, gaps)
                if unseen := held - RangeSet(witnessed[key]):
                    self.fail(f"{centre.name}: {unseen} of line {line} are held and never passed the follower")
                lines[key] = Told(held, self._names(key), *apart.get(key, ({}, {})))
            wrong = misplaced(centre, lines, stored, self.times, self.hit)
            if wrong := wrong or extremes_missing(lines, stored, self.times):
                self.fail(f"{centre.name}: {wrong}")
            shown = {(row[0], row[1], row[3]) for row in stored if not row[5]}
            if strange := shown - ever - self._shown:
                self.fail(f"{centre.name}: its store has rows that no record has: {sorted(strange)[:3]}")

    def _ever(self) -> set[tuple[str, str, int]]:
        """Places of all that was committed: a centre may have stored it without booking it, or refused it in part."""
        return {place for key, numbers in self._committed.items() for place in self._places(key, numbers)}

    def _names(self, key: Line) -> Sequence[str]:
        dictionary = self.bodies[key][2].body if 2 in self.bodies[key] else None
        return dictionary.series if isinstance(dictionary, Dictionary) else []

    def _places(self, key: Line, numbers: RangeSet) -> set[tuple[str, str, int]]:
        found: set[tuple[str, str, int]] = set()
        bodies, names = self.bodies[key], self._names(key)
        if not names:
            return found
        for number in numbers.numbers():
            body = bodies[number].body if number in bodies else None
            if isinstance(body, Readings):
                for offset in (0,) if body.grade else [fix.offset_ms for fix in self.times.of_line(*key)]:
                    for series in body.series:
                        found.add((key[0], names[series], body.time_ms + offset))
        return found

    def _finish_line(
        self,
        centre: "Centre",
        machines: Sequence[Machine],
        key: Line,
        head: int,
        held: RangeSet,
        refused: RangeSet,
        gaps: RangeSet,
    ) -> None:
        at = self._centres[centre.name]
        if not held.covers(at.verified[key]):
            self.fail(
                f"{centre.name} no longer holds {at.verified[key] - held} of line {key[1]:016x}, which it receipted"
            )
        if wrong := (gaps & (held | refused)) | (refused & held):
            self.fail(f"{centre.name} says that {wrong} of line {key[1]:016x} are missing or refused, and has them")
        if head < at.heads.get(key, 0):
            self.fail(f"{centre.name} was told that line {key[1]:016x} goes to {at.heads[key]}, and says {head}")
        silent = held.holes(1, head) - refused - gaps - self.taken[key] - at.restored_away[key]
        silent = silent - self._named_and_taken(at, key)
        for machine in machines:
            if machine.station == key[0]:
                silent = silent - self._card(machine).here.get(key[1], EMPTY)
        if silent and centre.name in self.required:
            self.fail(f"{centre.name} counts {silent} of line {key[1]:016x} of {key[0]} as lost, and nobody took them")

    def _named_and_taken(self, at: _AtCentre, key: Line) -> RangeSet:
        """Numbers of a line that gave way, and the record that said so went with a card, or with a restored centre."""
        named = EMPTY
        for own, number, about, numbers in self._named[key[0]]:
            taken = number in self.taken[own] or number in at.restored_away[own]
            if about == key[1] and taken and number not in at.verified[own]:
                named |= numbers
        return named


def _placed(row: Row, fix: Fix) -> Row:
    """A reading without a time, once it has got it."""
    return (row[0], row[1], 0, row[3] + fix.offset_ms, row[4], 0, 0)
