"""Any order of arrival gives the same tables, also where one number came with two contents."""

import itertools
import random
from pathlib import Path

import msgspec
from haihe_cloud.admit.registry import Station, StationLevels
from haihe_cloud.alarm.book import AlarmBook
from haihe_cloud.alarm.engine import AlarmEngine
from haihe_cloud.alarm.rule import load_rules
from haihe_cloud.audit import audit
from haihe_cloud.ledger import tally
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.port import TIME_END_MS
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import wire
from haihe_contract.record import Body, Duty, Event, Gap, Readings, SeriesSummary, State, Summary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud.samples import LEVEL, LINE, STATION, T0, batch, opened
from tests.cloud.whole import Whole

_names = itertools.count()
OTHER = 77
RULES = """
rules:
  - {name: high, title_zh: 高, title_en: high, series: {element: water_level}, raise_at: warning, clear_margin: 0.1,
     severity: yellow}
"""


def summary(mean: float, ranges: list[tuple[int, int]]) -> Summary:
    low, high = (T0 + 40_000, mean - 1, 1, 5), (T0 + 41_000, mean + 1, 1, 5)
    return Summary(LINE, ranges, [SeriesSummary(LEVEL, 9, 0, mean, low, high, low[0], high[0])], False, T0)


CONTENTS: list[Body] = [
    Duty([1000, 60_000]),
    Duty([5000, 60_000]),
    Readings(T0 + 5000, 5, [0, 1], [3.5, 12.5]),
    Readings(T0 + 5000, 5, [0, 1], [7.5, 12.5]),
    Readings(T0 + 5000, 5, [0, 1], [7.5, 12.5], [3, 1]),
    Readings(T0 + 9000, 6, [0, 1], [None, 12.4], [9, 1]),
    Event(T0 + 7000, 5, "level_raised", 0, 4.5, {"level": "warning"}),
    Event(T0 + 7000, 5, "level_raised", 0, None, {"level": "warning"}),
    Event(T0 + 7000, 5, "level_raised", 0, 0.0, {"level": "warning"}),
    Event(T0 + 8000, 5, "door_open"),
    Gap(LINE, [(60, 65)], "damaged", T0),
    Gap(OTHER, [(60, 65)], "full", T0),
    Gap(LINE, [(60, 61)], "full", T0),
    State("rain.counter", T0 + 6000, 5, {"tips": 4}),
    State("rain.counter", T0 + 6000, 5, {"tips": 5}),
    State("level.zero", T0 + 6000, 5, {"m": 1.5}),
    summary(3.0, [(60, 70)]),
    summary(4.0, [(61, 70)]),
]


def said_by(line: int, number: int, body: Body) -> Body:
    """The same of another number: a journal has no second reading of a series at one time."""
    if not isinstance(body, Readings):
        return body
    return msgspec.structs.replace(body, time_ms=body.time_ms + number * 10_000 + (500 if line == OTHER else 0))


@st.composite
def contradictory(draw: st.DrawFn) -> list[wire.Batch]:
    """Batches of two lines; every number has one, two or three contents, in batches of any cut."""
    bodies = st.sampled_from(CONTENTS)
    choices = {
        (line, number): [said_by(line, number, body) for body in draw(st.lists(bodies, min_size=1, max_size=3))]
        for line in (LINE, OTHER)
        for number in (3, 4, 5)
    }
    out = [batch([1, 2], bodies={1: opened()}, line=line, head=12) for line in (LINE, OTHER)]
    for at in range(3):
        for line in (LINE, OTHER):
            said = {number: choices[line, number][at] for number in (3, 4, 5) if at < len(choices[line, number])}
            if draw(st.booleans()):
                out += [batch({2, number}, bodies={number: body}, line=line, head=12) for number, body in said.items()]
            elif said:
                out.append(batch({2, *said}, bodies=said, line=line, head=12))
    return out


class Centre:
    """A whole centre with alarms on SQLite, and everything that it shows."""

    def __init__(self, directory: Path) -> None:
        name = next(_names)
        self._database = SqliteDatabase(directory / f"haihe{name}.db")
        self._whole = Whole(self._database, SqliteStore(directory / f"series{name}.db"))
        self._whole.registry.add(Station(STATION, levels=[StationLevels(LEVEL, "dagu", 5.0, 9.0)]))
        rules = directory / "rules.yaml"
        rules.write_text(RULES, "utf-8")
        of = self._whole
        self._alarms = AlarmEngine(of.database, of.ledger, of.store, of.registry, load_rules(rules), of.clock)

    def take(self, rounds: list[list[wire.Batch]], chance: random.Random) -> None:
        for batches in rounds:
            self._whole.send(*batches)
            if chance.random() < 0.5:
                self._whole.settle([self._alarms])
        self._whole.settle([self._alarms])

    def take_by_any_way(self, batches: list[wire.Batch], chance: random.Random) -> None:
        """Some by the broker, some in bundles, some by both, the bundles overlapping and in any order."""
        ways = [chance.choice(("link", "first", "second", "both", "all")) for _ in batches]
        first = [each for each, way in zip(batches, ways, strict=True) if way in ("first", "both", "all")]
        second = [each for each, way in zip(batches, ways, strict=True) if way in ("second", "both", "all")]
        link = [[each] for each, way in zip(batches, ways, strict=True) if way in ("link", "all")]
        acts = [lambda: self._whole.carry(*first), lambda: self._whole.carry(*second), lambda: self.take(link, chance)]
        for act in chance.sample(acts, len(acts)):
            act()
            if chance.random() < 0.5:
                self._whole.settle([self._alarms])
        self._whole.settle([self._alarms])

    def shown(self) -> dict[str, object]:
        """Every table as people see it, without the moments of arrival."""
        whole, book = self._whole, self._whole.book
        lines = sorted(whole.ledger.lines(STATION), key=lambda each: each.line)
        alarms = [each for each in AlarmBook(self._database).recent() if not each.void]
        return {
            "readings": {key: whole.store.read(STATION, key, 0, TIME_END_MS) for key in whole.store.series(STATION)},
            "rivals": whole.store.conflicts(STATION),
            "untimed": whole.store.untimed(STATION),
            "lines": lines,
            "receipt": whole.receipt().settled(),
            "digests": [dict(book.content_blocks(STATION, each.line)) for each in lines],
            "contents": {(each.line, each.number, each.digest) for each in book.content_conflicts(STATION)},
            "troubles": {(each.kind, each.line, each.number) for each in book.troubles(STATION)},
            "events": sorted(
                (each.line, each.number, each.time_ms, each.kind, each.series, str(each.value), str(each.detail))
                for each in whole.ledger.events(STATION)
                if each.kind != "two_contents"
            ),
            "missing": {each.line: book.missing_ranges(STATION) for each in lines},
            "openings": {each._replace(received_ms=0) for each in book.openings(STATION).values()},
            "duties": book.duties(STATION),
            "summaries": book.summaries(STATION, None, 0, TIME_END_MS),
            "states": whole.ledger.states(STATION),
            "hours": book.hours(STATION, 0, TIME_END_MS // tally.HOUR_MS),
            "alarms": sorted(
                (each.series, each.started_ms, str(each.ended_ms), each.peak, str(each.peak_ms)) for each in alarms
            ),
            "audit": audit(book, whole.store, STATION).disagreements,
        }

    def close(self) -> None:
        self._whole.store.close()
        self._database.close()


@given(contradictory(), st.randoms(use_true_random=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_two_contents_gives_the_same_tables(
    tmp_path: Path, batches: list[wire.Batch], chance: random.Random
) -> None:
    def shown(order: list[wire.Batch], together: int) -> dict[str, object]:
        centre = Centre(tmp_path)
        centre.take([order[at : at + together] for at in range(0, len(order), together)], chance)
        try:
            return centre.shown()
        finally:
            centre.close()

    first = shown(batches, 1)
    mixed = [*batches, chance.choice(batches)]
    for together in (1, 2, len(mixed)):
        chance.shuffle(mixed)
        again = shown(mixed, together)
        for table, rows in first.items():
            assert again[table] == rows, table
    assert first["audit"] == []


@given(contradictory(), st.randoms(use_true_random=False))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_way_does_not_matter_a_link_and_two_overlapping_bundles_give_the_same_tables(
    tmp_path: Path, batches: list[wire.Batch], chance: random.Random
) -> None:
    reference = Centre(tmp_path)
    reference.take([[each] for each in batches], chance)
    expected = reference.shown()
    reference.close()
    for _ in range(2):
        centre = Centre(tmp_path)
        centre.take_by_any_way(batches, chance)
        again = centre.shown()
        centre.close()
        for table, rows in expected.items():
            assert again[table] == rows, table
