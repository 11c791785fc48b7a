"""A station that somebody else has written, by the pages alone, is a station like ours."""

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from haihe_cloud.database import Database
from haihe_cloud.ingest.inbox import Message
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.quality import Flag, Grade

from tests.cloud.samples import LEVEL, STATION, T0
from tests.cloud.whole import Whole
from tests.docs.wire_written_by_the_page import encode

LINE = "fedcba9876543210"
SHARD = "6c"  # as the page says for this station
BEGAN = T0 - 3_600_000
RECORDS: list[dict[str, Any]] = [
    {"number": 1, "record": [1, 900, "boot-a", 900, 0, 0, 0, 0, 1000, True, "foreign", "site"]},
    {"number": 2, "record": [2, [LEVEL]]},
    {"number": 3, "time_ms": 1000, "grade": 0, "series": [0], "values": [3.5], "marks": [1]},
    {"number": 5, "time_ms": 2000, "grade": 0, "series": [0], "values": [None], "marks": [25]},
    {"number": 6, "record": [8, "boot-a", BEGAN, 20, 5, T0]},
    {"number": 7, "record": [6, int(LINE, 16), [[4, 4]], "no_space", T0]},
    {"number": 8, "unread": "934d0102"},  # [77, 1, 2]: of a kind that only it knows
]


@pytest.mark.parametrize("seed", range(5))
def test_a_foreign_station_without_a_clock_gets_receipts_and_its_readings_their_true_time(
    database: Database, tmp_path: Path, seed: int
) -> None:
    centre, chance = Whole(database, SqliteStore(tmp_path / "series.db")), Random(seed)
    for part in (RECORDS[:3], RECORDS[1:], RECORDS):  # the dictionary with each, and all of it again
        said = {
            "station": STATION, "line": LINE, "lane": "live", "volatile": False, "dictionary_needed": False,
            "head": 9, "tail": 1, "codec": chance.randrange(2),
            "records": [{"urgent": False, **record} for record in part],
        }  # fmt: skip
        name = f"haihe/1/{SHARD}/{STATION}/up/live"
        assert centre.worker.round([Message(name, encode(said, chance), T0, lambda: None)]) == 1
    centre.settle()
    receipt = centre.published[-1]
    centre.key.public_key().verify(receipt[:64], receipt[64:])
    _, _, _, station, _, lines, *_ = msgspec.msgpack.decode(receipt[64:])
    assert (station, lines) == (STATION, [[int(LINE, 16), [[1, 3], [5, 7]], [[8, 8]]]])
    readings = centre.store.read(STATION, LEVEL, 0, T0)
    assert [(each.time_ms, each.value, each.flag, each.grade) for each in readings] == [
        (BEGAN + 1000, 3.5, Flag.PASS, Grade.NTP),
        (BEGAN + 2000, None, Flag.MISSING, Grade.NTP),
    ]
