"""A wrong profile: all its faults at once, each with its place and what to do."""

import re
from pathlib import Path

import pytest
from haihe_contract.retelling import Retelling
from haihe_edge.profile import ModbusProfile, load_profile, problems_of, varied
from haihe_edge.talk.memory_words import MEMORY_FAULTS
from haihe_edge.talk.words import SITE_FAULTS

GOOD = """\
profile: gauge
maker: m
model: m
grade: simulated
sources: [s]
transport: modbus
answer_ms: {typical: 5, most: 50}
blocks:
  - {table: holding, start: 0, count: 10}
points:
  - {name: level, at: 0, as: u16, element: water_level, times: 0.001}
  - {name: status, at: 1, as: u16}
"""


def faults(tmp_path: Path, more: str = "", *, change: tuple[str, str] = ("", "")) -> list[str]:
    path = tmp_path / "gauge.yaml"
    path.write_text(GOOD.replace(*change) + more)
    return [f"{problem.line}:{problem.column}: {problem.what}" for problem in problems_of(path)]


def test_a_good_profile_has_no_faults_at_all(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


def test_every_fault_is_found_in_one_pass_with_its_place(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        "  - {name: a, at: 9, as: u32}\n"
        "  - {name: b, at: 2, as: u16, element: water_levle}\n"
        "  - {name: c, at: 3, as: text, registers: 2, element: water_level}\n"
        "  - {name: d, at: 4, as: u16, bits: [3, 20]}\n"
        "  - {name: e, at: 5, as: bcd}\n",
    )
    assert found == [
        "13:19: at: 0x0009 (length 2) lies in no declared holding block; see blocks",
        "14:40: element: 'water_levle' is not in the element register; did you mean \"water_level\"?",
        "15:55: element: text is no measurement",
        "16:37: bits: write [lowest, highest] between 0 and 15",
        "17:26: as: bcd needs 'registers: …'",
    ]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("  - {name: x, at: 2, as: u16, unit_from: {point: units, table: {1: {unit: m}}}}\n", "which is no point"),
        ("  - {name: x, at: 2, as: u16, add: [x]}\n", "depends on itself"),
        (
            "  - {name: x, at: 2, as: u16, add: [y]}\n  - {name: y, at: 3, as: u16, add: [status]}\n",
            "depends on others",
        ),
        (
            "  - {name: x, at: 2, as: u16, add: [y]}\n  - {name: y, at: 3, as: u16, read_clears: true}\n",
            "reading clears",
        ),
        ("  - {name: x, at: 2, as: u16, quality_from: [{point: status}]}\n", "write a status"),
        ("  - {name: x, at: 2, as: u16, quality_from: [{point: status, best: 9, worst: 0}]}\n", "say doubtful_from"),
        ("  - {name: x, at: 2, as: u16, parameters: {times: span}}\n", "not one of parameters"),
        ("  - {name: x, at: 2, as: u16, writable: {function: 6}}\n", "say low and high"),
        ("  - {name: x, at: 2, as: u32, writable: {function: 6, low: 0, high: 1}}\n", "use 16"),
        ("  - {name: x, at: 2, as: bit}\n", "tables coil and discrete"),
        ("measure:\n  - {wait_ms: 5, read: [level]}\n", "exactly one of the keys"),
        ("measure:\n  - {wait_for: {point: status}}\n", "read by no step before"),
        ("measure:\n  - {send: {function: 3, at: 0, values: [1]}}\n", "function 3 reads"),
        ("join_over: 3\n", "zeros or nan"),
        ("identify: [{point: status, matches: '('}]\n", "no regular expression"),
        ("variants: [{name: old, without: [levle]}]\n", 'did you mean "level"'),
        ("variants: [{name: old, points: [{name: z, at: 99, as: u16}]}]\n", "lies in no declared"),
        ("retry: {after: [often]}\n", "after"),
        ("transport: pigeon\n", "written twice"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, more: str, what: str) -> None:
    assert any(what in fault for fault in faults(tmp_path, more)), faults(tmp_path, more)


def test_a_transport_that_does_not_exist_is_named(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, change=("transport: modbus", "transport: modbuss"))
    assert fault == "6:12: transport: 'modbuss' is not known; did you mean \"modbus\"?"


def test_repeated_points_are_written_out_and_refer_to_their_own_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "gauge.yaml"
    path.write_text(
        GOOD
        + "  - {name: v, at: 2, as: u16, place: depth, repeat: {count: 3, stride: 2},"
        + " valid_if: [{point: q, is: [0]}], writable: {function: 6, at: 16, low: 0, high: 9, read_back: q}}\n"
        + "  - {name: q, at: 3, as: u16, repeat: {count: 3, stride: 2}}\n"
        + "variants: [{name: few, points: [{name: v, at: 2, as: u16}], without: [q]}]\n"
    )
    profile = load_profile(path)
    assert isinstance(profile, ModbusProfile)
    third = profile.point("v_3")
    assert third is not None
    assert (third.at, third.place, third.valid_if[0].point) == (6, "depth-3", "q_3")
    assert third.writable is not None
    assert (third.writable.at, third.writable.read_back) == (20, "q_3")
    few = varied(profile, profile.variants[0])
    assert [point.name for point in few.points] == ["level", "status", "v"]


LOG = """\
memory:
  - name: log
    at: 4
    stride: 3
    entries: 2
    time: {seconds: made}
    entry:
      - {name: made, at: 0, as: u32}
      - {name: past, at: 2, as: u16, of: level}
"""


def test_a_memory_that_can_be_read_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, LOG) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "entries: 2",
            "entries: 3",
            "20:26: at: made of entry 2 (0x000a) lies in no declared holding block",
        ),
        ("stride: 3", "stride: 3\n    select: {at: 9}", "14:5: memory: write exactly one of stride, select and since"),
        ("stride: 3", "note: n", "14:5: memory: write exactly one of stride, select and since"),
        ("entries: 2", "numbered: ring", "14:5: pointer: belongs to 'numbered: ring', and that needs it"),
        ("entries: 2", "numbered: from_oldest\n    entries: 2", "17:15: numbered: from_oldest needs 'count: …'"),
        ("entries: 2", "entries: 2\n    count: statsu", "18:12: count: 'statsu' is no point of the profile"),
        ("seconds: made", "seconds: mode", "18:21: seconds: 'mode' is no plain number of the entry"),
        ("seconds: made", "month: made", "18:11: time: write year, month, day, …, or seconds"),
        ("seconds: made", "year: made, day: made", "18:11: time: a coarser part is missing"),
        ("seconds: made", 'seconds: made, zone: "+08:07"', "zone: +08:07 is no zone; Beijing is +08:00"),
        ("seconds: made", "seconds: made, since: 2000-13-01", "since: 2000-13-01 is no date"),
        ("of: level", "of: levle", "21:42: of: there is no point 'levle'; did you mean \"level\"?"),
        (", of: level", "", "20:7: entry: nothing of it becomes a reading"),
        ("name: past", "name: status", "name: 'status' is a point of the profile; choose another"),
        (
            "of: level",
            "element: water_level, statistic: mean",
            "statistic: a mean, min, max or total has",
        ),
        ("of: level", "of: level, read_clears: true", "read_clears: not in an entry"),
        ("of: level", "of: level, add: [gone]", "past: depends on 'gone', which is no plain number"),
        ("as: u16, of", "as: bcd, of", "21:33: as: bcd needs 'registers: …'"),
        ("stride: 3", "since: {at: 9, parts: [year, month], entries: 3, stride: 3}", "be read in one go"),
        ("stride: 3", "since: {at: 9, parts: [seconds, year]}", "parts: [seconds] alone and as u32"),
        ("memory:", "wake: {wait_ms: 1}\nmemory:", "must be woken first cannot be read back yet"),
    ],
)
def test_a_memory_that_cannot_be_read_is_said_where_it_is_written(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    assert old in LOG
    found = faults(tmp_path, LOG.replace(old, new, 1))
    said = next((each for each in found if what in each), None)
    assert said is not None, found
    assert re.search("[\u4e00-\u9fff]", Retelling(SITE_FAULTS, MEMORY_FAULTS)(said.split(": ", 1)[1])), said
