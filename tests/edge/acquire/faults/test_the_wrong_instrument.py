"""Who answers is not who the profile describes: said so, with what it looks like, and nothing of it passes for good."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_contract.quality import Flag, Reason
from haihe_edge import limits
from haihe_edge.acquire import Group
from haihe_edge.acquire.modbus.identify import Match, Search, misfits
from haihe_edge.profile import ModbusProfile, load_profile
from haihe_edge.qualify import Judge
from haihe_edge.site import load_site
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.faults.shared_line import PIECES, PROFILE, Line, both, measuring, refusal, registers_answer
from tests.edge.heard import has_values
from tests.edge.site_text import HEAD

IDENTIFIED = PROFILE + "  - {name: model, at: 7, as: u16}\n"


def profile(folder: Path, name: str, *conditions: str) -> Path:
    """A model of which its registers 6 and 7 tell who it is."""
    text = IDENTIFIED.replace("profile: gauge", f"profile: {name}") + "  - {name: maker_code, at: 6, as: u16}\n"
    path = folder / "profiles" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "identify: [" + ", ".join(conditions) + "]\n")
    return path


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECOGNISE_AGAIN_MS", 400)
    profile(tmp_path, "level-a", "{point: model, is: [42]}")
    profile(tmp_path, "level-b", "{point: model, is: [43]}", "{point: maker_code, is: [7]}")
    profile(tmp_path, "level-c", "{point: model, is: [43]}", "{point: maker_code, is: [8]}")
    (tmp_path / "profiles" / "broken.yaml").write_text("profile: [")


def says(model: int, maker: int = 7) -> Callable[[bytes], PIECES]:
    """An instrument with those numbers in registers 7 and 6."""

    def answering(request: bytes) -> PIECES:
        registers = [1000, 1001, 0, 0, 0, 0, maker, model]
        start, count = int.from_bytes(request[2:4], "big"), request[5]
        if request[1] != 3 or start + count > len(registers):
            return [(0.002, refusal(request, 2))]
        return [(0.002, registers_answer(request, *registers[start : start + count]))]

    return answering


def marked(group: Group) -> bool:
    return has_values(group) and all(why is Reason.MISMATCH for _, _, why in group.samples)


def good(group: Group) -> bool:
    return has_values(group) and all(why is Reason.NONE for _, _, why in group.samples)


async def test_the_right_instrument_is_recognised_and_not_asked_again(line: Line, tmp_path: Path) -> None:
    line.trouble = says(42)
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}", "level-a")) as station:
        for _ in range(4):
            assert good(await station.until(lambda group: True))
        assert station.sick.error is None
        assert station.kinds() == []
    assert len([each for each in line.pty.requests if each[0] == 1 and each[3] == 7]) == 1


async def test_an_instrument_that_cannot_say_now_who_it_is_is_asked_again_and_not_accused(
    line: Line, tmp_path: Path
) -> None:
    asked = 0

    def fails_at_first(request: bytes) -> PIECES:
        nonlocal asked
        asked += request[3] == 7
        return [(0.002, refusal(request, 4))] if request[3] == 7 and asked <= 2 else says(42)(request)

    line.trouble = fails_at_first
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}", "level-a")) as station:
        for _ in range(4):
            assert good(await station.until(lambda group: True))
        assert asked == 3
        assert station.kinds() == []


async def test_another_instrument_is_told_with_what_it_said_and_the_profile_that_fits(
    line: Line, tmp_path: Path
) -> None:
    line.trouble = says(43)
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}", "level-a")) as station:
        group = await station.until(lambda group: True)
        assert marked(group)
        await station.until(lambda group: station.kinds() != [])
        (told,) = station.happenings
        assert (told.kind, told.detail) == (
            "profile_mismatch",
            {"instrument": "sick", "profile": "level-a", "said": {"model": 43}, "closest": "level-b"},
        )
        assert station.words() == "this is no level-a: model says 43; it looks like level-b"
        line.trouble = says(42)  # somebody has put the right one there
        await station.until(good)
        assert station.sick.error is None
        assert station.kinds() == ["profile_mismatch", "profile_fits"]
        station.the_other_kept_its_period()


async def test_what_no_profile_describes_is_said_so(line: Line, tmp_path: Path) -> None:
    line.trouble = says(99, 99)
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}", "level-a")) as station:
        await station.until(lambda group: station.kinds() != [])
        assert station.words() == "this is no level-a: model says 99; no known profile fits it"
        assert station.happenings[0].detail["closest"] == ""
        assert marked(station.groups[-1]) or station.groups[-1].instrument == "well"


async def test_an_instrument_that_was_changed_behind_our_back_is_noticed(line: Line, tmp_path: Path) -> None:
    line.trouble = says(42)
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}", "level-a")) as station:
        await station.until(good)
        line.pty.unplug()
        await station.missing(Reason.BUS_DOWN)
        line.trouble = says(43)
        line.pty.plug()
        await station.until(marked)
        line.trouble = lambda _request: []
        await station.until(lambda group: group.samples[0][2] is Reason.SKIPPED)
        line.trouble = says(42)
        await station.until(good, 12)
        assert station.sick.error is None


async def test_an_instrument_that_knows_none_of_its_registers_is_another_one(line: Line, tmp_path: Path) -> None:
    def refuses_all_but_its_model(request: bytes) -> PIECES:
        return says(43, 8)(request) if request[3] >= 6 else [(0.002, refusal(request, 2))]

    line.trouble = refuses_all_but_its_model
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}")) as station:
        await station.missing(Reason.EXCEPTION)
        await station.until(lambda group: "profile_mismatch" in station.kinds())
        assert station.words() == "this is no gauge: it knows none of its registers; it looks like level-c"
        line.trouble = says(1)
        await station.until(good)
        assert station.sick.error is None
        station.the_other_kept_its_period()


def test_readings_of_the_wrong_instrument_are_never_good(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    (tmp_path / "profiles" / "gauge.yaml").write_text(PROFILE)
    path.write_text(HEAD + both("kind: serial, port: /dev/null"))
    judged = Judge(load_site(path, [tmp_path / "profiles"]).series)([(0, 1.0, Reason.MISMATCH)])
    assert judged.values == [1.0]
    assert judged.flag(0) is Flag.SUSPECT


@given(st.dictionaries(st.sampled_from(["model", "maker_code"]), st.integers(0, 99)))
def test_only_conditions_that_hold_count_as_held(said: dict[str, int]) -> None:
    held = 2 - len(misfits(LEVEL_B, said))
    assert held == (said.get("model") == 43) + (said.get("maker_code") == 7)


def _loaded() -> ModbusProfile:
    with tempfile.TemporaryDirectory() as folder:
        found = load_profile(
            profile(Path(folder), "level-b", "{point: model, is: [43]}", "{point: maker_code, is: [7]}")
        )
        assert isinstance(found, ModbusProfile)
        return found


LEVEL_B = _loaded()


@given(st.lists(st.sampled_from([b"\0\x2b", b"\0\x07", b"\0\x63", None]), min_size=2, max_size=2))
def test_a_search_ends_and_asks_each_question_once(answers: list[bytes | None]) -> None:
    search = Search([LEVEL_B, LEVEL_B], 1)
    asked = []
    for answer in answers:
        request = search.next()
        assert request is not None
        asked.append(request)
        search.heard(answer)
    assert search.next() is None
    assert len(set(asked)) == 2
    held = (answers[0] == b"\0\x2b") + (answers[1] == b"\0\x07")
    assert search.closest() == (Match("level-b", held, 2) if held else None)
