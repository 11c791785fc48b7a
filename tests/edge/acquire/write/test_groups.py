"""Points of a group are written in one request, all or nothing; the rest of the group keeps what it holds."""

import re
import struct
from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.retelling import Retelling
from haihe_edge.acquire.write.setting import NotObeyed, Written
from haihe_edge.profile import load_profile
from haihe_edge.talk.words import SITE_FAULTS

from tests.edge.acquire.faults.shared_line import Station, measuring
from tests.edge.acquire.write import wired
from tests.edge.acquire.write.conftest import Wired


def float_cdab(value: float) -> list[int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def last(station: Station) -> tuple[str, dict[str, object]]:
    return station.happenings[-1].kind, station.happenings[-1].detail


async def test_a_group_is_written_in_one_request_read_back_and_told_as_one(either: Wired) -> None:
    async with measuring(either.folder, wired.site(either.bus)) as station:
        changed = await station.acquirer.write("sick", {"high": 0.75, "low": 0.25}, "wang")
        assert changed.written == {"low": Written(0, 0.25), "high": Written(0, 0.75)}
        body = struct.pack(">BHHB4H", 16, 10, 4, 8, 25, *float_cdab(0.75), 0)
        assert either.first.heard == [body]
        assert last(station) == (
            "point_written",
            {
                "instrument": "sick",
                "values": {"high": 0.75, "low": 0.25},
                "before": {"low": 0, "high": 0},
                "after": {"low": 0.25, "high": 0.75},
                "by": "wang",
            },
        )
        assert either.second.heard == []


async def test_members_that_are_not_named_keep_exactly_what_they_hold(either: Wired) -> None:
    either.first.measures = {"low": 1.23, "high": 0.1, "delay": -7}
    held = either.first.registers(10, 4)
    async with measuring(either.folder, wired.site(either.bus, writable="[delay]")) as station:
        changed = await station.acquirer.write("sick", {"delay": 12})
        assert changed.written == {"delay": Written(-7, 12)}
        assert either.first.registers(10, 4) == [*held[:3], 12]
        assert either.first.places == [(16, 10)]


@pytest.mark.parametrize(
    ("values", "what", "do"),
    [
        ({"low": 0.1, "high": 5.5}, "5.5 is out of range", "from 0 to 5"),
        ({"low": 0.1, "high": 1.2}, "high stands at 0 and may change by at most 1 a minute", "nothing was written"),
        ({"low": 0.105, "high": 0.5}, "steps of 0.01", "write"),
        ({"low": 0.1, "alone": 1}, "low, alone cannot be written in one request", "one by one"),
        ({"low": 0.1, "other": 1}, "low, other cannot be written in one request", "one by one"),
        ({"low": 0.1, "rain": 1}, "writing rain is not enabled", "writable: [rain]"),
        ({}, "nothing to write", "name at least one"),
    ],
)
async def test_one_value_that_is_wrong_keeps_all_of_them_from_being_sent(
    serial: Wired, values: dict[str, float], what: str, do: str
) -> None:
    async with measuring(serial.folder, wired.site(serial.bus)) as station:
        with pytest.raises(FieldError) as error:
            await station.acquirer.write("sick", values)
        assert not isinstance(error.value, NotObeyed)
        assert what in error.value.what
        assert do in error.value.do
        assert serial.first.heard == []
        assert last(station)[0] == "write_refused"
        # A refused write must not use up what may be changed within the minute.
        await station.acquirer.write("sick", {"high": 1.0})


async def test_a_member_that_holds_what_is_not_allowed_must_be_named_too(serial: Wired) -> None:
    serial.first.measures = {"low": 7.5}
    async with measuring(serial.folder, wired.site(serial.bus)) as station:
        with pytest.raises(FieldError, match=r"low of the same group holds 7\.5: 7\.5 is out of range") as error:
            await station.acquirer.write("sick", {"delay": 1})
        assert "name low too" in error.value.do
        assert serial.first.heard == []
        await station.acquirer.write("sick", {"delay": 1, "low": 5})


async def test_a_group_that_does_not_hold_all_it_was_told_is_found_out(either: Wired) -> None:
    conduct = either.first.conduct
    elsewhere = {**conduct.writable, (16, 13): ("holding", 39)}
    either.first.behaves(writable=elsewhere)  # confirms, and one register does not take it
    async with measuring(either.folder, wired.site(either.bus)) as station:
        with pytest.raises(NotObeyed, match="delay holds 0 and not 5") as error:
            await station.acquirer.write("sick", {"low": 1, "delay": 5})
        assert "low" not in error.value.what
        kind, detail = last(station)
        assert kind == "write_failed"
        assert detail["before"] == {"low": 0, "high": 0, "delay": 0}
        assert detail["after"] == {"low": 1, "high": 0, "delay": 0}


async def test_a_refused_group_changes_nothing_and_says_so(either: Wired) -> None:
    either.first.behaves(writable={})
    async with measuring(either.folder, wired.site(either.bus)) as station:
        with pytest.raises(NotObeyed, match=r"low holds 0 and not 1 and high holds 0 and not 0.5 \(.*exception 2"):
            await station.acquirer.write("sick", {"low": 1, "high": 0.5})
        assert either.first.registers(10, 4) == [0, 0, 0, 0]


async def test_writing_groups_never_puts_two_requests_on_the_line(serial: Wired) -> None:
    async with measuring(serial.folder, wired.site(serial.bus)) as station:
        for step in range(6):
            await station.acquirer.write("sick", {"low": step / 10, "delay": step})
        await station.until(lambda group: True)
        assert isinstance(serial.line, wired.Watched)
        assert serial.line.overlaps == 0


@pytest.mark.parametrize(
    ("old", "new", "what", "column_of"),
    [
        (
            "at: 13, as: s16",
            "at: 14, as: s16",
            "delay is written at 0x000e, not beside high (0x000b, length 2)",
            "limits",
        ),
        (
            "as: s16, writable: {function: 16",
            "as: s16, writable: {function: 6",
            "written by function 16, not 6",
            "limits",
        ),
        ("as: s16, writable: {", "as: s16, writable: {at: 12, ", "delay is written at 0x000c", "limits"),
        ("clears: [rain]", "clears: [snow]", "clears: there is no point 'snow'", "snow"),
        ("{function: 16, at: 36}", "{function: 16, at: 36, count: 2}", "count: follows from values", "2}"),
        ("{function: 16, at: 36}", "{function: 5, at: 36, values: [1]}", "[0xFF00] (on) or [0] (off)", "[1]"),
        (
            "steps: [{send: {function: 6, at: 30, values: [0x5A]}}]",
            "steps: [{wait_ms: 5}]",
            "nothing is sent",
            "[{wait",
        ),
    ],
)
def test_a_profile_that_cannot_be_obeyed_is_named_with_line_and_column(
    tmp_path: Path, old: str, new: str, what: str, column_of: str
) -> None:
    text = wired.PROFILE.replace(old, new)
    assert text != wired.PROFILE
    path = tmp_path / "controller.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as error:
        load_profile(path)
    (problem,) = error.value.problems
    assert what in problem.what
    if problem.what.startswith(("group", "clears", "steps")):
        assert re.search("[\u4e00-\u9fff]", Retelling(SITE_FAULTS)(problem.what))
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith(column_of)


def test_a_group_longer_than_one_request_is_complained_about(tmp_path: Path) -> None:
    rule = "{function: 16, low: 0, high: 9, group: g}"
    many = f"  - {{name: n, at: 100, as: u16, repeat: {{count: 124, stride: 1}}, writable: {rule}}}\n"
    text = wired.PROFILE.replace("commands:", many + "commands:").replace(
        "count: 40}", "count: 40}\n  - {table: holding, start: 100, count: 124}"
    )
    path = tmp_path / "controller.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError, match="has 124 registers; one request writes at most 123"):
        load_profile(path)
    path.write_text(text.replace("124", "123"))
    load_profile(path)
