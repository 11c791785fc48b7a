"""Before anything starts it is known what each bus has to do, and what it cannot."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_edge.acquire.budget import CAPACITY, Load, budgets, could_ms, fitting, unmet
from haihe_edge.cli import main
from haihe_edge.site import Site
from hypothesis import given
from hypothesis import strategies as st

SiteOf = Callable[..., Site]


def load(name: str, period_ms: int, busy_ms: float) -> Load:
    return Load(name, period_ms, 1, 8, 25, busy_ms, 0)


def test_a_poll_is_bytes_and_silence_on_the_wire_and_the_time_to_think(site_of: SiteOf) -> None:
    one = budgets(site_of(["1s"]))[0].loads[0]
    character_ms = 10 / 9.6  # no parity, one stop bit
    assert (one.requests, one.bytes_out, one.bytes_in) == (1, 8, 25)
    assert one.wire_ms == pytest.approx((8 + 25 + 7) * character_ms)
    assert one.answer_ms == 20
    assert one.share == pytest.approx(one.busy_ms / 1000)


def test_parity_and_a_second_stop_bit_take_their_bits(site_of: SiteOf) -> None:
    plain = budgets(site_of(["1s"]))[0].loads[0].wire_ms
    for settings, bits in ((", parity: even", 11), (", stop_bits: 2", 11), (", parity: odd, stop_bits: 2", 12)):
        found = budgets(site_of(["1s"], line=settings))[0].loads[0].wire_ms
        assert found == pytest.approx(plain * bits / 10)


def test_a_bus_that_is_too_busy_is_refused_with_a_period_that_could_be_met(site_of: SiteOf) -> None:
    site = site_of(["1s", "1s", "200ms"])
    assert fitting(site) is site
    with pytest.raises(DocumentError) as error:
        fitting(site_of(["200ms", "100ms", "200ms", "1s"]))
    (problem,) = error.value.problems
    assert problem.line == 7
    assert problem.column > 1
    assert problem.what == "every: 100ms cannot be met: bus line would be busy for 130% of the time; 250ms could be met"


def test_what_is_said_to_be_possible_is_possible(site_of: SiteOf) -> None:
    site = site_of(["200ms", "100ms", "500ms", "1min"])
    (found,) = budgets(site)[0].unmet
    assert found.always
    assert found.could_ms is not None
    (mended,) = budgets(site_of(["200ms", f"{found.could_ms}ms", "500ms", "1min"]))
    assert not [each for each in mended.unmet if each.always]
    assert mended.utilisation <= CAPACITY


def test_where_one_longer_period_does_not_help_all_are_told_theirs() -> None:
    loads = [load("a", 100, 90), load("b", 100, 90)]
    assert could_ms(loads[0], loads) == 2000
    loads.append(load("c", 100, 90))
    assert could_ms(loads[0], loads) is None
    (found,) = unmet(loads)
    assert found.could_ms == 500
    assert found.common
    assert not unmet([each._replace(period_ms=500) for each in loads])
    assert unmet([load("endless", 1000, 2e8)])[0].could_ms is None


def test_a_long_poll_that_makes_others_late_is_told_but_not_refused() -> None:
    found = unmet([load("stage", 500, 60), load("sonde", 900_000, 1_800)])
    assert [(each.instrument, each.always, each.could_ms) for each in found] == [("stage", False, 2000)]
    assert unmet([load("stage", 500, 60), load("sonde", 900_000, 400)]) == []


@given(st.lists(st.tuples(st.sampled_from([100, 200, 500, 1000, 2000, 5000]), st.integers(5, 900)), max_size=6))
def test_what_is_called_possible_is_met_by_earliest_deadline_first(given_loads: list[tuple[int, int]]) -> None:
    loads = [load(str(at), period, busy) for at, (period, busy) in enumerate(given_loads)]
    if unmet(loads):
        return
    # All due at once, each poll to its end, earliest deadline first: the worst that can happen on the clock's grid.
    jobs = [[0, each] for each in loads]
    now = 0.0
    for _ in itertools.repeat(None, 400):
        ready = [job for job in jobs if job[0] <= now]
        if not ready:
            if not jobs:
                return
            now = min(job[0] for job in jobs)
            continue
        job = min(ready, key=lambda each: each[0] + each[1].period_ms)
        now += job[1].busy_ms
        assert now <= job[0] + job[1].period_ms + 1e-6
        job[0] += job[1].period_ms


@pytest.mark.parametrize(("language", "words"), [("en", "cannot be met on bus line"), ("zh", "无法满足周期")])
def test_the_plan_is_printed_for_people_and_machines(
    tmp_path: Path, site_text: Callable[..., str], capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    path = tmp_path / "site.yaml"
    profiles = ["--profiles", str(tmp_path / "profiles"), "--lang", language]
    path.write_text(site_text(["1s", "5s"]))
    assert main(["plan", str(path), *profiles]) == 0
    shown = capsys.readouterr().out
    assert "8 + 25" in shown
    assert "7.4%" in shown
    path.write_text(site_text(["100ms", "100ms"]))
    assert main(["plan", str(path), *profiles]) == 1
    assert words in capsys.readouterr().out
    assert main(["plan", str(path), *profiles, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["buses"][0]["utilisation"] == pytest.approx(1.2333, abs=0.0001)
    assert said["buses"][0]["unmet"][0]["could_ms"] == 200


def test_check_refuses_what_cannot_be_met_with_its_place(
    tmp_path: Path, site_text: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(site_text(["100ms", "100ms"]))
    assert main(["check", str(path), "--profiles", str(tmp_path / "profiles"), "--lang", "en"]) == 2
    said = capsys.readouterr().err
    assert f"{path}:5:" in said
    assert "200ms could be met" in said
