"""The world's account notices what gives way out of turn, what a summary says wrongly, and where the time is wrong."""

import pytest
from haihe_contract.quality import PASS_MARK, Flag, Grade, Reason, mark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Event, Gap, Opened, Readings, Record, Summary, TimeFix
from haihe_edge.journal.thin import thin
from haihe_simulators.world.gives_way import THINNED_FROM_BYTES, freed_before_its_turn, objection, untrue, victim
from haihe_simulators.world.placing import Told, fixes_at
from haihe_simulators.world.reading import File
from haihe_simulators.world.times import Times
from msgspec.structs import replace

T0 = 1_790_000_000_000
LINE = 7
KEYS = ["water_level.main.instant.0.derived.dagu", "supply_voltage.main.instant.0.instrument.-"]
BIG, SMALL = THINNED_FROM_BYTES, THINNED_FROM_BYTES - 1


def file(
    place: int, *, flood: range = range(0), alarms: range = range(0), size: int = BIG, events: bool = False
) -> File:
    """The file of numbers 100 * place + 1 to + 20."""
    numbers = range(100 * place + 1, 100 * place + 21)
    records = {
        number: Record(
            number,
            number - 100 * place in alarms,
            Event(T0, 5, "door_opened") if events else Readings(T0 + number, 5, [0], [1.0]),
        )
        for number in numbers
    }
    return File(
        f"{place:08}-{LINE:016x}-1.journal", LINE, records, {n for n in numbers if n - 100 * place in flood}, size, True
    )


def summary(of: File, *, flood: bool = False) -> Summary:
    return Summary(LINE, list((of.flood if flood else of.quiet - of.flood).ranges), [], flood, T0)


def gap(of: File) -> Gap:
    return Gap(LINE, list(of.numbers.ranges), "no_space", T0)


ROUTINE, MIXED = file(1), file(2, flood=range(10, 21))
FLOOD, ALARMS = file(3, flood=range(1, 21)), file(4, alarms=range(1, 21))
NEWER = file(5)
EVENTS = file(6, events=True)


@pytest.mark.parametrize(
    ("done", "going", "others", "receipted"),
    [
        (summary(ROUTINE), ROUTINE, [EVENTS], EVENTS),
        (summary(FLOOD, flood=True), FLOOD, [NEWER], None),
        (summary(MIXED, flood=True), MIXED, [MIXED], None),
        (summary(NEWER), NEWER, [ROUTINE], None),
        (gap(ROUTINE), ROUTINE, [NEWER], None),
        (gap(ROUTINE), ROUTINE, [ROUTINE], None),
        (gap(FLOOD), FLOOD, [EVENTS], None),
        (gap(ALARMS), ALARMS, [file(1, flood=range(1, 21), size=SMALL)], None),
        (gap(EVENTS), EVENTS, [file(1, size=SMALL)], None),
    ],
)
def test_what_gives_way_while_something_milder_or_older_could_is_objected_to(
    done: Gap | Summary, going: File, others: list[File], receipted: File | None
) -> None:
    known = {LINE: receipted.numbers} if receipted else {}
    assert victim(done, [*others, going], known) is going
    assert objection(done, going, others, known, thins=True)


@pytest.mark.parametrize(
    ("done", "going", "others"),
    [
        (summary(ROUTINE), ROUTINE, [ROUTINE, NEWER, FLOOD, ALARMS]),
        (summary(MIXED), MIXED, [MIXED, FLOOD, NEWER]),
        (summary(FLOOD, flood=True), FLOOD, [ALARMS, EVENTS, FLOOD]),
        (gap(EVENTS), EVENTS, [ALARMS, EVENTS]),
        (gap(ALARMS), ALARMS, [ALARMS]),
    ],
)
def test_what_gives_way_in_its_turn_is_not_objected_to(done: Gap | Summary, going: File, others: list[File]) -> None:
    assert not objection(done, going, others, {}, thins=True)


def test_a_disk_without_room_for_a_copy_excuses_that_a_file_goes_whole_and_nothing_else() -> None:
    assert objection(gap(ROUTINE), ROUTINE, [NEWER], {}, thins=True)
    assert not objection(gap(ROUTINE), ROUTINE, [NEWER], {}, thins=False)
    assert objection(gap(NEWER), NEWER, [ROUTINE], {}, thins=False)
    assert objection(gap(ROUTINE), ROUTINE, [NEWER], {LINE: NEWER.numbers}, thins=False)


def test_a_file_that_goes_with_what_it_says_of_one_that_is_still_here_is_the_one_that_goes() -> None:
    says = replace(EVENTS.records[601], body=Gap(LINE, [(401, 420)], "no_space", T0))
    going = File(EVENTS.name, LINE, {**EVENTS.records, 601: says}, set(), BIG, True)
    said = Gap(LINE, [(401, 420), (601, 620)], "no_space", T0)
    assert victim(said, [ALARMS, going], {}) is going
    assert not objection(said, going, [ALARMS, going], {}, thins=True)


def test_a_record_that_only_repeats_older_losses_is_about_no_file() -> None:
    assert victim(Gap(LINE, [(1, 5)], "no_space", T0), [ROUTINE], {}) is None
    assert victim(Gap(LINE, [(101, 110)], "no_space", T0), [ROUTINE], {}) is None
    assert victim(Gap(LINE, [(101, 110)], "no_space", T0), [ROUTINE], {LINE: RangeSet.of((111, 120))}) is ROUTINE


def test_of_receipted_files_the_oldest_is_freed_first() -> None:
    known = {LINE: ROUTINE.numbers | NEWER.numbers}
    assert freed_before_its_turn([NEWER], [ROUTINE], known)
    assert not freed_before_its_turn([ROUTINE], [NEWER], known)
    assert not freed_before_its_turn([NEWER], [ROUTINE], {LINE: NEWER.numbers})


RECORDS = [
    Record(1, False, Readings(T0 + 3, 5, [0], [2.0])),
    Record(2, False, Readings(T0 + 1, 5, [0, 1], [4.0, None], [PASS_MARK, mark(Flag.MISSING, Reason.TIMEOUT)])),
    Record(3, False, Readings(T0 + 2, 5, [1], [7.0])),
    Record(4, False, Readings(60_000, 0, [0], [9.0])),
]  # fmt: skip


def told() -> Summary:
    made = thin(LINE, RECORDS, KEYS, settled=RangeSet(), flood=RangeSet(), even_flood=False, now_ms=T0).summaries[0]
    assert isinstance(made, Summary)
    return made


def test_a_summary_that_says_what_there_was_is_true() -> None:
    assert not untrue(told(), RECORDS, KEYS)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 9},
        {"missing": 9},
        {"mean": 3.5},
        {"lowest": (T0, 2.0, 1, 5)},
        {"highest": (T0 + 1, 99.0, 1, 5)},
        {"first_ms": 0},
        {"last_ms": T0 + 99},
    ],
)
def test_a_summary_that_says_anything_else_is_not(place: int, wrong: dict[str, object]) -> None:
    right = told()
    series = [replace(each, **wrong) if at == place else each for at, each in enumerate(right.series)]
    assert untrue(replace(right, series=series), RECORDS, KEYS)
    assert untrue(replace(right, series=right.series[:place] + right.series[place + 1 :]), RECORDS, KEYS)


def test_a_time_that_is_farther_off_than_it_says_is_noticed_unless_a_trusted_clock_was_wrong() -> None:
    now = T0
    times, boot = Times(lambda: now), ("31005650", "a")
    times.begins(boot)
    assert not times.appended(boot, LINE, 1, Opened(0, "a", 0, 0, 0, 0, 0, 1000, False, "0", "s"))
    now = T0 + 5000
    assert not times.appended(boot, LINE, 2, Readings(5000, 0, [0], [1.0]))
    assert times.appended(boot, LINE, 3, Readings(4999, 0, [0], [1.0]))
    assert times.unsaid(boot)
    fix = TimeFix("a", T0 + 400, 400, int(Grade.CENTRE), T0)
    assert not times.appended(boot, LINE, 4, fix)
    times.committed("31005650", fix)
    assert not times.unsaid(boot)
    assert times.appended(boot, LINE, 5, TimeFix("a", T0 + 401, 400, int(Grade.CENTRE), T0))
    assert times.appended(boot, LINE, 6, TimeFix("never", T0, 400, int(Grade.CENTRE), T0))
    times.clock_read(boot, now + 3_600_000)
    assert not times.appended(boot, LINE, 7, TimeFix("a", T0 + 3_600_000, 1000, int(Grade.NTP), T0))
    at_centre = {("31005650", LINE): Told(RangeSet.of((1, 4)), [], {}, {})}
    assert [each.number for each in fixes_at(times, at_centre, ("31005650", LINE))] == [4]
    assert not fixes_at(times, {("31005650", LINE): Told(RangeSet.of((2, 4)), [], {}, {})}, ("31005650", LINE))


@pytest.mark.parametrize(
    ("before", "after", "minutes", "disturbed", "due"),
    [
        (True, True, 60, False, True),
        (True, True, 5, False, False),
        (False, True, 60, False, False),
        (True, False, 60, False, False),
        (True, True, 60, True, False),
    ],
)
def test_a_boot_without_a_clock_between_two_with_one_must_be_bounded(
    before: bool, after: bool, minutes: int, disturbed: bool, due: bool
) -> None:
    now = T0
    times = Times(lambda: now)
    for boot, trusts in (("a", before), ("b", False), ("c", after)):
        times.begins(("31005650", boot))
        if trusts:
            times.clock_read(("31005650", boot), now)
        if boot == "b":
            began = now
            for _ in range(2):
                assert not times.appended(("31005650", "b"), LINE, 1, Readings(now - began, 0, [0], [1.0]))
                now += minutes * 60_000
        now += 60_000
    if disturbed:
        times.disturbed("31005650")
    assert times.unbounded("31005650") == ("b" if due else "")
    times.committed("31005650", TimeFix("b", T0, 400, int(Grade.BOUNDED), T0))
    assert not times.unbounded("31005650")
