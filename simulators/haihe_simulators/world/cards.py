"""What every station committed, and what its cards still hold: the stations' side of the account."""

from collections import Counter, defaultdict

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Dictionary, Gap, Opened, Readings, Record, Summary

from .gives_way import Settled, freed_before_its_turn, is_short, may_repeat, objection, untrue, victim
from .history import History
from .reading import File, is_closed, journal_files, read_file
from .times import Times
from .watched import Machine

Line = tuple[str, int]
"""Station and line."""


class Broken(AssertionError):
    """A promise was broken."""


class _OnCard:
    """What one machine's card held when it was last looked at, and which receipts its agent heard."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.closed: dict[str, File] = {}
        """Its closed files, read as soon as they were met."""
        self.here: dict[int, RangeSet] = {}
        self.heard: dict[str, int] = {}
        self.receipted: dict[str, dict[int, dict[int, RangeSet]]] = {}
        """By centre, epoch and line."""
        self.known: dict[str, Settled] = {}
        """By centre: what its agent surely knows, since it was saved, or was heard in this run and not taken back."""
        self.asked: dict[str, Settled] = {}
        """By centre: what that has asked for again in this run."""
        self.short = False
        """Whether its disk had no room for a copy when it was last committed to."""
        self.going: dict[str, File] = {}
        """Files that were said to give way, and are still there."""
        self.replaced = False
        """Whether another card was put in since the last start."""


class CardAccount:
    """Everything that is known of the stations of one world.

    Args:
        required: centres whose receipts free.
        history: what happened, for people.
        times: when everything was measured.
    """

    def __init__(self, required: set[str], history: History, times: Times) -> None:
        self.times = times
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
        card.known = {centre: machine.card.held(centre) for centre in self.required}
        card.asked, card.going, card.short = {}, {}, False

    def appended(self, machine: "Machine", line: int, number: int, urgent: bool, body: Body) -> None:  # noqa: FBT001
        """A number was given."""
        known = self._appended.setdefault((machine.station, line), {})
        if number in known:
            self.fail(f"{machine.name}: number {number} of line {line:016x} was given twice")
        known[number] = (urgent, body)
        if wrong := self.times.appended((machine.station, machine.boot), line, number, body):
            self.fail(f"{machine.name}, line {line:016x}: {wrong}")
        if isinstance(body, Summary) or (isinstance(body, Gap) and body.cause == "no_space"):
            self._gives_way(machine, line, body)

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
        self._check_order_of_freeing(machine)
        self._card(machine).short = is_short(machine.card)

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
        self.times.committed(key[0], record.body)
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
        """No alarm becomes a summary, and a summary says what there was."""
        if isinstance(body, Gap):
            if body.cause == "no_space":
                self.hit("dropped")
            return
        self.hit("thinned")
        if body.flood:
            self.hit("thinned at flood stage")
        bodies = self.bodies[machine.station, body.line]
        records = [bodies[number] for number in RangeSet(body.ranges).numbers() if number in bodies]
        if any(record.urgent for record in records):
            self.fail(f"{machine.name} has thinned alarms of line {body.line:016x}")
        dictionary = bodies[2].body if 2 in bodies else None
        if not isinstance(dictionary, Dictionary) or len(records) < RangeSet(body.ranges).count():
            return  # of before a card was put in: not all of it is known
        if wrong := untrue(body, records, dictionary.series):
            self.fail(f"{machine.name} sums {RangeSet(body.ranges)} of line {body.line:016x} up wrongly: {wrong}")

    def _gives_way(self, machine: "Machine", line: int, body: Gap | Summary) -> None:
        """It was just said what gives way next: nothing milder could."""
        if machine.opened_blind:
            return  # it does not know what lies there
        card = self._card(machine)
        closed = self._closed(machine)
        left_open = self._left_open(machine)
        repeats = may_repeat(body, [*closed, *(file for file in left_open if file.line != line)])
        settled = self._settled(machine)
        going = victim(body, [*closed, *left_open], settled)
        if going is None:
            return
        others = [file for file in closed if card.going.get(file.name) is not file]
        cannot = card.short or is_short(machine.card) or machine.reads_fail  # what cannot be read cannot be summed up
        thins = isinstance(body, Summary) or not cannot
        why = objection(body, going, others, self._all_hold(card.known), thins=thins)
        if why and not repeats:
            self.fail(f"{machine.name}: {why}")
        if card.short or is_short(machine.card):  # what cannot even be said may be passed over for another
            card.going[going.name] = going

    def _closed(self, machine: "Machine") -> list[File]:
        """The closed files of a card, oldest first."""
        disk, card = machine.card.disk, self._card(machine)
        before, card.closed = card.closed, {}
        for name in journal_files(disk):
            known = before.get(name) or card.files.get(name)
            if known is not None and known.closed and known.size == disk.size(name):
                card.closed[name] = known
            elif is_closed(disk, name):
                card.closed[name] = read_file(disk, name)
        return list(card.closed.values())

    def _left_open(self, machine: "Machine") -> list[File]:
        """Files that nobody closed: the newest, and those of agents that did not end in order."""
        disk, card = machine.card.disk, self._card(machine)
        return [read_file(disk, name) for name in journal_files(disk) if name not in card.closed]

    def _check_order_of_freeing(self, machine: "Machine") -> None:
        card = self._card(machine)
        names = set(journal_files(machine.card.disk))
        if gone := [file for name, file in card.closed.items() if name not in names]:
            left = self._closed(machine)
            if not machine.opened_blind and (why := freed_before_its_turn(gone, left, self._all_hold(card.known))):
                self.fail(f"{machine.name}: {why}")
        elif len(names) > len(card.closed) + 1:
            self._closed(machine)

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
            if known is None or not known.closed or known.size != disk.size(name):
                known = card.closed.get(name)
            if known is None or known.size != disk.size(name):
                known = read_file(disk, name)
            files[name] = known
        here: dict[int, RangeSet] = {}
        for file in files.values():
            here[file.line] = here.get(file.line, EMPTY) | file.numbers
            key = (machine.station, file.line)
            if file is not card.files.get(file.name):
                bodies = self.bodies[key]
                for number, record in file.records.items():
                    taken_in = bodies.get(number)
                    if taken_in != record and (adopt or taken_in is not None):
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
        return self._all_hold({c: card.receipted.get(c, {}).get(card.heard.get(c, 0), {}) for c in self.required})

    def _all_hold(self, of: dict[str, Settled]) -> Settled:
        """Numbers per line that every required centre has there."""
        sets = [of.get(centre, {}) for centre in self.required]
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
        self.times.disturbed(old.station)
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
        self.times.disturbed(machine.station)
        card = self._card(machine)
        before = card.here
        card.files, card.closed, card.here, card.replaced = {}, {}, {}, True
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
