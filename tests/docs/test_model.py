"""The model of the number line (docs/understand/model.md) holds in small bounds, and finds mistakes."""

import re
from pathlib import Path

import pytest

from docs.understand.model.check import FULL, MISTAKES, MODEL, SMALL, Bounds, missing, search

PAGE = (Path(__file__).parents[2] / "docs" / "understand" / "model.md").read_text("utf-8")


@pytest.fixture(scope="module", autouse=True)
def spin() -> None:
    if lacking := missing():
        pytest.skip(f"the model checker is {lacking}")


@pytest.mark.parametrize("bounds", SMALL, ids=str)
def test_in_every_state_of_the_model_no_record_is_lost_silently_and_no_receipt_says_too_much(bounds: Bounds) -> None:
    found = search(bounds)
    assert found.complete
    assert not found.broken, "\n".join(found.steps)
    assert found.states > 10_000


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_model_finds_a_mistake_in_as_many_steps_as_its_page_says(mistake: str) -> None:
    found = search(MISTAKES[mistake], mistake)
    assert found.broken
    (steps,) = re.findall(rf"^\| `{mistake}` \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(found.steps) == int(steps)


def test_every_switch_of_the_model_is_tried_and_every_bound_is_on_the_page() -> None:
    text = MODEL.read_text("utf-8")
    assert all(re.search(rf"^#if(n?)def {mistake}\b", text, re.MULTILINE) for mistake in MISTAKES)
    assert len(re.findall(r"^\| \d .*\| (?:yes|no) \|", PAGE, re.MULTILINE)) == len(FULL)
