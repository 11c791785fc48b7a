"""People's files: every fault at once, with its place, and nothing in them can do harm."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from haihe_contract.document import (
    DocumentError,
    load,
    read,
    read_partly,
)
from haihe_contract.quantity import duration_ms, size_bytes
from haihe_contract.series import POINT_PATTERN
from hypothesis import given
from hypothesis import strategies as st


class Leaf(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]
    number: Annotated[int, msgspec.Meta(ge=0)] = 0
    share: float | None = None


class Wire(msgspec.Struct, frozen=True, tag="wire", tag_field="kind"):
    port: str


class Net(msgspec.Struct, frozen=True, tag="net", tag_field="kind"):
    host: str


class Model(msgspec.Struct, frozen=True):
    title: str
    leaves: tuple[Leaf, ...] = ()
    ways: tuple[Wire | Net, ...] = ()
    parity: Literal["none", "even"] = "none"


def faults(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        read(text, "f", Model)
    return [str(problem) for problem in error.value.problems]


def test_a_good_file_becomes_its_model() -> None:
    found, _ = read("title: 0123\nleaves: [{name: a, share: 1}]\nways: [{kind: net, host: h}]", "f", Model)
    assert found == Model("0123", (Leaf("a", share=1.0),), (Net("h"),))


def test_a_date_or_number_is_text_where_text_is_wanted() -> None:
    assert read("title: 2026-08-01", "f", Model)[0].title == "2026-08-01"


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    assert faults("title: a\nleaves:\n  - {name: A b}\n  - {number: -1}\nparity: evn\nxyz: 1\n") == [
        "f:3:12: name: wanted small letters, digits, '-' and '_', at most 32, got 'A b'",
        "f:4:5: leaves: the key 'name' is missing",
        "f:4:14: number: wanted a whole number >= 0, got '-1'",
        "f:5:9: parity: 'evn' is not one of even, none; did you mean \"even\"?",
        "f:6:1: xyz: unknown key",
    ]


def test_a_misspelt_key_is_one_mistake_and_not_two() -> None:
    assert faults("titel: a") == ['f:1:1: titel: unknown key; did you mean "title"?']


def test_a_key_that_is_written_twice_is_a_fault() -> None:
    assert faults("title: a\ntitle: b") == ["f:2:1: title: written twice"]


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    assert faults(f"title: a\nleaves: [{{name: a, share: {number}}}]") == [
        f"f:2:27: share: wanted a finite number, got '{number}'"
    ]


def test_a_character_that_is_not_allowed_has_a_place() -> None:
    assert faults("title: a\nb: \x07") == ["f:2:4: not YAML: the character U+0007 is not allowed"]


@pytest.mark.parametrize("kind", ["[a]", "{a: b}", "wier", "null"])
def test_a_kind_that_is_none_of_ours_is_a_fault(kind: str) -> None:
    assert len(faults(f"title: a\nways: [{{kind: {kind}, port: p}}]")) == 1


def test_a_file_with_faults_is_given_as_far_as_it_goes() -> None:
    found, document = read_partly(
        "title: a\nleaves: [{name: a}, {name: 1 2}, {name: c, number: x}]\nzzz: 1", "f", Model
    )
    assert found.leaves == (Leaf("a"), Leaf(""), Leaf("c"))  # an empty name stands in for the wrong one
    document.complain(("leaves", 1, "name"), "an empty name")  # of which nothing more is said
    with pytest.raises(DocumentError) as error:
        document.finish()
    assert len(error.value.problems) == 3


def test_aliases_of_aliases_cost_no_more_than_their_limit() -> None:
    bomb = "title: a\nleaves:\n  - &a {name: a}\n" + "  - *a\n" * 20_000
    many = bomb + "ways: &b [" + ",".join(["{kind: wire, port: p}"] * 100) + "]\n"
    with pytest.raises(DocumentError):
        read(many.replace("title: a", "title: [x]"), "f", Model)
    nested = "title: a\nleaves: [&a {name: &n [" + ",".join("x" * 9) + "]}]\n"
    assert faults(nested)


def test_faults_without_number_end_somewhere() -> None:
    assert len(faults("title: a\nleaves: [" + "{name: A B}," * 5000 + "]")) <= 200


def test_endless_nesting_is_refused() -> None:
    assert faults("title: " + "[" * 5_000)


@given(st.text(max_size=80))
def test_any_text_is_a_document_or_a_list_of_faults(text: str) -> None:
    try:
        read(text, "f", Model)
    except DocumentError as error:
        refused = error.problems
    else:
        return
    assert refused


def test_durations_and_sizes_are_written_as_people_do() -> None:
    assert [duration_ms(text) for text in ("250ms", "5s", "1.5min", "1h", "1d")] == [
        250,
        5000,
        90_000,
        3_600_000,
        86_400_000,
    ]
    assert size_bytes("256MiB") == 268_435_456
    for text in ("5", "5 sec", "-1s", ""):
        with pytest.raises(ValueError, match="no duration"):
            duration_ms(text)


def test_an_endless_file_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(DocumentError, match="larger than 1048576 bytes"):
        load(Path("/dev/zero"), Model)
