"""What a poll consists of, and how it is gone through."""

import asyncio
from typing import Any

import msgspec
from haihe_contract.quality import Reason
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.modbus.follow import Followed, follow
from haihe_edge.acquire.modbus.frames import Refused, Request, Write
from haihe_edge.acquire.modbus.plan import Read, plan, telling_read
from haihe_edge.acquire.modbus.recipe import Recipe, Tell, Wait, recipe
from haihe_edge.profile import ModbusProfile, variant_of

from tests.edge.patient_loop import LoopClock

HEAD = {
    "transport": "modbus", "profile": "x", "maker": "m", "model": "m", "grade": "simulated", "sources": ["s"],
    "answer_ms": {"typical": 5, "most": 50}, "blocks": [{"table": "holding", "start": 0, "count": 100}],
}  # fmt: skip


def profile(points: list[dict[str, Any]], **more: Any) -> ModbusProfile:
    return msgspec.convert({**HEAD, "points": points, **more}, ModbusProfile)


def p(name: str, at: int, kind: str = "u16", **more: Any) -> dict[str, Any]:
    return {"name": name, "at": at, "as": kind, **more}


def spans(reads: list[Read]) -> list[tuple[int, int]]:
    return [(read.request.start, read.request.quantity) for read in reads]


class Waits(LoopClock):
    """Notes how long was waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def go(
    made: Recipe, answers: list[bytes | ExchangeError], **more: Any
) -> tuple[Followed, list[Request | Write], list[float]]:
    asked: list[Request | Write] = []
    clock = Waits()

    async def ask(request: Request | Write) -> bytes | ExchangeError:
        asked.append(request)
        return answers.pop(0)

    return asyncio.run(follow(made, ask, clock, **more)), asked, clock.waits


SILENCE = ExchangeError(Reason.TIMEOUT, "no answer")


def test_a_hole_is_read_over_where_that_is_quicker_than_another_request() -> None:
    model = profile([p("a", 0), p("b", 5), p("c", 90)])
    assert spans(plan(model, 1, {"a", "b", "c"})) == [(0, 6), (90, 1)]


def test_what_lies_between_blocks_is_read_over_only_when_the_profile_says_so() -> None:
    blocks = [{"table": "holding", "start": 0, "count": 2}, {"table": "holding", "start": 5, "count": 2}]
    points = [p("a", 1), p("b", 5)]
    assert spans(plan(profile(points, blocks=blocks), 1, {"a", "b"})) == [(1, 1), (5, 1)]
    joined = profile(points, blocks=blocks, holes="zeros", join_over=3)
    assert spans(plan(joined, 1, {"a", "b"})) == [(1, 5)]


def test_single_values_and_even_starts_are_kept_where_they_are_asked_for() -> None:
    points = [p("a", 0, "f32"), p("b", 2, "f32"), p("high", 4, byte="high"), p("low", 4, byte="low")]
    assert spans(plan(profile(points, merge="none"), 1, {"a", "b", "high", "low"})) == [(0, 2), (2, 2), (4, 1)]
    assert spans(plan(profile([p("a", 3)], align=2), 1, {"a"})) == [(2, 2)]


def test_what_reading_clears_is_read_alone_and_never_on_the_way() -> None:
    model = profile([p("a", 0), p("gone", 1, read_clears=True), p("b", 2)])
    reads = plan(model, 1, {"a", "gone", "b"})
    assert sorted(spans(reads)) == [(0, 1), (1, 1), (2, 1)]
    assert [read.clears for read in reads].count(True) == 1
    telling = telling_read(model, plan(model, 1, {"a"}))
    assert telling is None or not telling.start <= 1 < telling.start + telling.quantity


def test_a_plain_instrument_is_asked_by_plain_reads_alone() -> None:
    assert recipe(profile([p("a", 0), p("b", 1)]), 1, {"a"}).is_plain


def test_points_that_others_need_are_read_too_and_not_shown() -> None:
    made = recipe(profile([p("a", 0, scale_from={"point": "n", "power": -1}), p("n", 50)]), 1, {"a"})
    assert not made.is_plain
    done, _, _ = go(made, [b"\x04\xd2", b"\0\2"])
    assert done.values == {"a": (12.34, Reason.NONE)}


STEPS = [
    {"send": {"function": 6, "at": 9, "values": [15]}},
    {"read": ["time"]},
    {"wait_for": {"point": "time", "plus_ms": 10, "most_ms": 2000}},
    {"read": ["a"]},
]


def test_steps_are_done_in_their_order_and_the_instrument_says_how_long() -> None:
    made = recipe(profile([p("a", 0), p("time", 50)], measure=STEPS), 7, {"a"})
    assert [type(step) for step in made.steps] == [Tell, Read, Wait, Read]
    done, asked, waits = go(made, [b"", b"\x02\xee", b"\0\5"])
    assert asked[0] == Write(7, 6, 9, (15,))
    assert waits == [0.76]
    assert done.values == {"a": (5.0, Reason.NONE)}


def test_a_wait_that_the_instrument_names_is_bounded() -> None:
    made = recipe(profile([p("a", 0), p("time", 50)], measure=STEPS), 7, {"a"})
    _, _, waits = go(made, [b"", b"\xff\xff", b"\0\5"])
    assert waits == [2.0]


def test_after_a_refused_start_nothing_is_read_and_the_instrument_lives() -> None:
    made = recipe(profile([p("a", 0), p("time", 50)], measure=STEPS), 7, {"a"})
    done, asked, _ = go(made, [Refused(4)])
    assert len(asked) == 1
    assert done.values == {"a": (None, Reason.EXCEPTION)}
    assert not done.silent


def test_busy_is_asked_again_and_what_reading_clears_never() -> None:
    retry = {"after": [5, "timeout"], "times": 3, "wait_ms": 200}
    model = profile([p("a", 0), p("gone", 9, read_clears=True)], retry=retry)
    done, asked, waits = go(recipe(model, 1, {"a"}), [Refused(5), SILENCE, b"\0\7"])
    assert (done.values["a"], len(asked), waits) == ((7.0, Reason.NONE), 3, [0.2, 0.2])
    done, asked, _ = go(recipe(model, 1, {"gone"}), [SILENCE])
    assert (done.values["gone"], len(asked)) == ((None, Reason.TIMEOUT), 1)


def test_tries_end_and_a_refusal_that_is_not_listed_ends_them_at_once() -> None:
    model = profile([p("a", 0)], retry={"after": [5], "times": 2})
    done, asked, _ = go(recipe(model, 1, {"a"}), [Refused(5), Refused(5), Refused(5)])
    assert (done.values["a"][1], len(asked)) == (Reason.EXCEPTION, 3)
    _, asked, _ = go(recipe(model, 1, {"a"}), [Refused(2)])
    assert len(asked) == 1


def test_who_sleeps_is_woken_by_a_read_whose_answer_is_thrown_away() -> None:
    made = recipe(profile([p("a", 0)], wake={"after_ms": 1000, "wait_ms": 100}), 1, {"a"})
    done, asked, waits = go(made, [SILENCE, b"\0\1"], asleep=True)
    assert (done.values["a"], len(asked), waits) == ((1.0, Reason.NONE), 2, [0.1])


def test_after_silence_the_rest_is_not_tried() -> None:
    model = profile([p("a", 0), p("b", 90)], retry={"after": [6]})
    done, asked, _ = go(recipe(model, 1, {"a", "b"}), [SILENCE])
    assert len(asked) == 1
    assert done.silent
    assert done.values["b"] == (None, Reason.TIMEOUT)


def test_registers_choose_the_variant_and_the_first_that_fits_wins() -> None:
    variants = [
        {"name": "chosen-by-hand"},
        {"name": "old", "when": [{"point": "a", "low": 1, "high": 99}]},
        {"name": "named", "when": [{"point": "t", "matches": "RIOT"}]},
    ]
    model = profile([p("a", 0), p("t", 10, "text", registers=4)], variants=variants)
    for said, name in (({"a": 50}, "old"), ({"a": 100, "t": "RIOTTECH"}, "named"), ({"a": 0}, None), ({}, None)):
        found = variant_of(model, said)
        assert (found and found.name) == name
