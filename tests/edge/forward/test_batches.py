"""Batches that go to several centres alike are encoded once, and no other batch is taken for one of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from haihe_contract import wire
from haihe_contract.ranges import RangeSet
from haihe_contract.record import LANE_ALARM, LANE_LIVE, Dictionary, Readings, Record
from haihe_edge.forward.batches import Batches
from haihe_edge.forward.batching import batch_of

STATION = "12345678"
LINE = 1 << 63
NAMES = Dictionary(["water_level.p.instant.0.instrument.-"])
RECORDS = [Record(n, False, Readings(1_790_000_000_000 + n, 5, [0], [n / 100])) for n in range(3, 12)]
NUMBERS = RangeSet.of((3, 11))


def test_what_goes_to_two_centres_alike_is_encoded_once() -> None:
    batches = Batches(STATION)

    def make(_centre: int) -> bytes:
        return batches.of(LINE, LANE_LIVE, (11, 1), list(RECORDS), NUMBERS, NAMES)

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(make, range(16)))
    assert all(data is made[0] for data in made)
    assert made[0] == batch_of(STATION, LINE, LANE_LIVE, (11, 1), RECORDS, NAMES)


@pytest.mark.parametrize(
    ("line", "lane", "extremes", "records", "dictionary"),
    [
        (LINE + 1, LANE_LIVE, (11, 1), RECORDS, None),
        (LINE, LANE_ALARM, (11, 1), RECORDS, None),
        (LINE, LANE_LIVE, (12, 1), RECORDS, None),
        (LINE, LANE_LIVE, (11, 1), RECORDS[1:], None),
        (LINE, LANE_LIVE, (11, 1), RECORDS, NAMES),
    ],
    ids=["line", "lane", "extremes", "records", "dictionary"],
)
def test_a_batch_that_differs_in_anything_never_gets_the_bytes_of_another(
    line: int, lane: int, extremes: tuple[int, int], records: list[Record], dictionary: Dictionary | None
) -> None:
    batches = Batches(STATION)
    other = batches.of(LINE, LANE_LIVE, (11, 1), RECORDS, NUMBERS, None)
    numbers = RangeSet.from_numbers(record.number for record in records)
    taken = wire.decode(batches.of(line, lane, extremes, records, numbers, dictionary))
    asked = wire.decode(batch_of(STATION, line, lane, extremes, records, dictionary))
    assert taken == asked
    assert taken != wire.decode(other)


def test_only_the_newest_two_batches_are_kept_in_memory() -> None:
    batches = Batches(STATION)
    heads = [batches.of(LINE, LANE_LIVE, (head, 1), RECORDS, NUMBERS, None) for head in (11, 12, 13)]
    assert batches.of(LINE, LANE_LIVE, (13, 1), RECORDS, NUMBERS, None) is heads[2]
    assert batches.of(LINE, LANE_LIVE, (12, 1), RECORDS, NUMBERS, None) is heads[1]
    again = batches.of(LINE, LANE_LIVE, (11, 1), RECORDS, NUMBERS, None)
    assert again is not heads[0]
    assert again == heads[0]
