"""What every station committed, and what its cards still hold: the stations' side of the account."""

from collections import Counter, defaultdict

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Gap, Opened, Readings, Record, Summary

from .history import History
from .reading import File, journal_files, read_file
from .watched import Machine

Line = tuple[str, int]
"""Station and line."""


class Broken(AssertionError):
    """A promise was broken."""


class _OnCard:
    """What one machine's card held when it was last looked at, and which receipts its agent heard."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.here: dict[int, RangeSet] = {}
        self.heard: dict[str, int] = {}
        self.receipted: dict[str, dict[int, dict[int, RangeSet]]] = {}
        """By centre, epoch and line."""
        self.replaced = False
        """Whether another card was put in since the last start."""


class CardAccount:
    """Everything that is known of the stations of one world.

    Args:
        required: centres whose receipts free.
        history: what happened, for people.
    """

    def __init__(self, required: set[str], history: History) -> None:
        self.required = required
        self.hits: Counter[str] = Counter()
        self.bodies: dict[Line, dict[int, Record]] = defaultdict(dict)
        self.taken: dict[Line, RangeSet] = defaultdict(lambda: EMPTY)
        """Gone with a card that died or was set back."""
        self._history = history
        self._appended: dict[Line, dict[int, tuple[bool, Body]]] = {}
        self._committed: dict[Line, RangeSet] = defaultdict(lambda: EMPTY)
        self._named: dict[str, list[tuple[Line, int, int, RangeSet]]] = defaultdict(list)
        """By station: (line and number of the record, line it names, numbers it names)."""
        self._cards: dict[str, _OnCard] = {}
        self._before_opening: dict[str, tuple[int, int, bool]] = {}

    def hit(self, what: str) -> None:
        """A fault took effect."""
        self.hits[what] += 1

    def say(self, text: str) -> None:
        """Something for the history."""
        self._history.say(text)

    def fail(self, what: str) -> None:
        """A promise is broken.

        Raises:
            Broken: always.
        """
        raise Broken(what)

    def opening(self, machine: "Machine") -> None:
        """An agent is about to open its journal."""
        self.looked(machine, adopt=True)
        files = [file for file in self._card(machine).files.values() if file.records]
        line = files[-1].line if files else 0
        last = max((max(file.records) for file in files if file.line == line), default=0)
        self._before_opening[machine.name] = (line, last, machine.card.in_order)
        card = self._card(machine)
        for centre in card.receipted:
            epoch = machine.card.epoch(centre)
            if epoch < card.heard.get(centre, 0) and not card.replaced:
                self.fail(f"{machine.name} has forgotten epoch {card.heard[centre]} of {centre} for {epoch}")
            card.heard[centre] = epoch
        card.replaced = False

    def appended(self, machine: "Machine", line: int, number: int, urgent: bool, body: Body) -> None:  # noqa: FBT001
        """A number was given."""
        known = self._appended.setdefault((machine.station, line), {})
        if number in known:
            self.fail(f"{machine.name}: number {number} of line {line:016x} was given twice")
        known[number] = (urgent, body)

    def waits(self, machine: "Machine", line: int, record: Record) -> bool:
        """Whether a number was given to that very body."""
        given = self._appended.get((machine.station, line), {})
        return any(_same(each, record) for each in reversed(given.values()))

    def committed(self, machine: "Machine", line: int, records: list[Record]) -> None:
        """A commit returned these records."""
        key = (machine.station, line)
        for record in records:
            self._take_in(machine, key, record)
        self._committed[key] |= RangeSet.from_numbers(record.number for record in records)
        for record in records:
            if isinstance(record.body, Gap | Summary):
                self._check_giving_way(machine, record.body)

    def _take_in(self, machine: "Machine", key: Line, record: Record) -> None:
        known = self.bodies[key].get(record.number)
        if known is not None:
            if known != record:
                self.fail(f"{machine.name}: number {record.number} of line {key[1]:016x} has two contents")
            return
        given = self._appended.get(key, {}).get(record.number)
        if given is None or not _same(given, record):
            self.fail(f"{machine.name}: number {record.number} of line {key[1]:016x} is not what was appended")
        self.bodies[key][record.number] = record
        if isinstance(record.body, Gap | Summary):
            body = record.body
            self._named[key[0]].append((key, record.number, body.line, RangeSet(body.ranges)))
        elif isinstance(record.body, Opened) and record.number == 1:
            self._check_opened(machine, record.body)

    def _check_opened(self, machine: "Machine", opened: Opened) -> None:
        if machine.opened_blind:
            return
        line, last, in_order = self._before_opening[machine.name]
        if (opened.previous, opened.previous_last) != (line, last):
            self.fail(
                f"{machine.name} opened after line {opened.previous:016x} number {opened.previous_last},"
                f" its card ends with line {line:016x} number {last}"
            )
        if opened.closed and not in_order:
            self.fail(f"{machine.name} says that line {line:016x} was closed in order, and it was not")

    def _check_giving_way(self, machine: "Machine", body: Gap | Summary) -> None:
        """An alarm goes only when nothing routine is left that could."""
        bodies = self.bodies[machine.station, body.line]
        urgent = RangeSet.from_numbers(n for n in RangeSet(body.ranges).numbers() if n in bodies and bodies[n].urgent)
        if isinstance(body, Summary):
            self.hit("thinned")
            if urgent:
                self.fail(f"{machine.name} has thinned the alarms {urgent} of line {body.line:016x}")
        elif body.cause == "no_space":
            self.hit("dropped")
            if urgent:
                self._check_nothing_milder(machine, body.line, urgent)

    def _check_nothing_milder(self, machine: "Machine", line: int, urgent: RangeSet) -> None:
        self.looked(machine)
        settled = self._settled(machine)
        going = {
            file.name
            for file in self._card(machine).files.values()
            if file.line == line and set(urgent.numbers()) & set(file.records)
        }
        for file in self._card(machine).files.values():
            if not file.closed or file.name in going:
                continue
            alarms = RangeSet.from_numbers(n for n, r in file.records.items() if r.urgent) - settled.get(
                file.line, EMPTY
            )
            if not alarms:
                self.fail(f"{machine.name} dropped the alarms {urgent} of line {line:016x} while {file.name} could go")

    def ended(self, machine: "Machine", why: str) -> None:
        """An agent ended."""
        self.say(f"{machine.name} ends: {why}")
        self.hit("stop in order" if why == "in order" else why)

    def looked(self, machine: "Machine", *, adopt: bool = False) -> None:
        """Read a card; what has gone from it since it was last read must be receipted or named."""
        card = self._card(machine)
        files: dict[str, File] = {}
        disk = machine.card.disk
        for name in journal_files(disk):
            known = card.files.get(name)
            files[name] = (
                known if known is not None and known.closed and known.size == disk.size(name) else read_file(disk, name)
            )
        here: dict[int, RangeSet] = {}
        for file in files.values():
            here[file.line] = here.get(file.line, EMPTY) | file.numbers
            key = (machine.station, file.line)
            if file is not card.files.get(file.name):
                for record in file.records.values():
                    if adopt or record.number in self.bodies[key]:
                        self._take_in(machine, key, record)
                if adopt:
                    self._committed[key] |= file.numbers
        before, card.files, card.here = card.here, files, here
        settled = self._settled(machine)
        for line, numbers in before.items():
            gone = (numbers - here.get(line, EMPTY)) & self._committed[machine.station, line]
            gone = gone - settled.get(line, EMPTY)
            if gone and (gone := gone - self._named_on(machine).get(line, EMPTY)):
                self.fail(f"{machine.name}: {gone} of line {line:016x} are gone, without receipt and without a word")

    def _named_on(self, machine: "Machine") -> dict[int, RangeSet]:
        """What gap and summary records say that are on the card or receipted."""
        here, settled = self._card(machine).here, self._settled(machine)
        named: dict[int, RangeSet] = {}
        for (_, line), number, about, numbers in self._named[machine.station]:
            if number in here.get(line, EMPTY) or number in settled.get(line, EMPTY):
                named[about] = named.get(about, EMPTY) | numbers
        return named

    def _settled(self, machine: "Machine") -> dict[int, RangeSet]:
        """What the receipts that its agent has heard allow to go."""
        card = self._card(machine)
        sets = [card.receipted.get(c, {}).get(card.heard.get(c, 0), {}) for c in self.required]
        lines = set.intersection(*(set(each) for each in sets)) if sets else set()
        settled: dict[int, RangeSet] = {}
        for line in lines:
            numbers = sets[0][line]
            for each in sets[1:]:
                numbers = numbers & each[line]
            settled[line] = numbers
        return settled

    def _card(self, machine: "Machine") -> _OnCard:
        return self._cards.setdefault(machine.name, _OnCard())

    def cloned(self, old: "Machine", new: "Machine") -> None:
        """A card was copied into another machine."""
        self.looked(old)
        twin, card = self._card(new), self._card(old)
        twin.files, twin.here = dict(card.files), dict(card.here)
        twin.heard = dict(card.heard)
        twin.receipted = {c: {e: dict(lines) for e, lines in es.items()} for c, es in card.receipted.items()}

    def retired(self, machine: "Machine") -> None:
        """A machine and its card are taken away for good: what only it had is taken with it."""
        self.looked(machine, adopt=True)
        for line, numbers in self._card(machine).here.items():
            self.taken[machine.station, line] |= numbers
        self._cards[machine.name] = _OnCard()

    def set_back(self, machine: "Machine") -> None:
        """Another image of the card is in the machine now: what was written since is taken, where no other has it."""
        card = self._card(machine)
        before = card.here
        card.files, card.here, card.replaced = {}, {}, True
        self.looked(machine)
        for line, numbers in before.items():
            self.taken[machine.station, line] |= numbers - card.here.get(line, EMPTY)


def _same(given: tuple[bool, Body], record: Record) -> bool:
    """Whether a record is what was appended; a reading group may have been moved by some milliseconds."""
    urgent, body = given
    if isinstance(body, Readings) and isinstance(record.body, Readings):
        moved = record.body.time_ms - body.time_ms
        same = (body.grade, body.series, body.values) == (record.body.grade, record.body.series, record.body.values)
        return urgent == record.urgent and same and moved >= 0 and (moved > 0 or body.marks == record.body.marks)
    return urgent == record.urgent and body == record.body
