"""One instrument of two answers wrongly, or not: it alone misses values, says why, and is back by itself."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from haihe_contract.quality import Reason
from haihe_edge import limits

from tests.edge.acquire.faults.shared_line import (
    PIECES,
    SICK,
    Line,
    Station,
    answer_of,
    framed,
    refusal,
    registers_answer,
    right,
)
from tests.edge.heard import has_values

OnLine = Callable[[], AbstractAsyncContextManager[Station]]


def wrong_checksum(request: bytes) -> PIECES:
    return [(0.002, answer_of(request)[:-1] + b"\x00")]


def half(request: bytes) -> PIECES:
    return [(0.002, answer_of(request)[:5])]


def echo_only(request: bytes) -> PIECES:
    return [(0.001, request)]


def somebody_else(request: bytes) -> PIECES:
    return [(0.002, registers_answer(b"\x09" + request[1:], 1, 2))]


def garbage(request: bytes) -> PIECES:
    """Two instruments speak at once: a frame's worth of bytes that are neither's."""
    mine, other = answer_of(request), answer_of(request, 4321)
    return [(0.002, bytes(a & b for a, b in zip(mine, other, strict=True)))]


@pytest.mark.parametrize(
    ("trouble", "reason", "words"),
    [
        (lambda _request: [], Reason.TIMEOUT, "no answer"),
        (half, Reason.CHECKSUM, "half an answer: 5 of . bytes"),
        (wrong_checksum, Reason.CHECKSUM, "a damaged answer of . bytes"),
        (echo_only, Reason.TIMEOUT, "no answer but an echo of the request"),
        (somebody_else, Reason.TIMEOUT, "no answer, but unit 9 spoke"),
        (garbage, Reason.CHECKSUM, "a damaged answer of . bytes"),
    ],
    ids=["silence", "half", "checksum", "echo", "other unit", "collision"],
)
async def test_what_is_no_answer_is_missing_with_its_reason_and_heals(
    line: Line, on_line: OnLine, trouble: Callable[[bytes], PIECES], reason: Reason, words: str
) -> None:
    async with on_line() as station:
        await station.heals()
        line.trouble = trouble
        await station.missing(reason)
        await station.missing(reason)
        assert re.fullmatch(words, station.words())
        line.trouble = None
        await station.heals()
        assert station.sick.error is None
        station.the_other_kept_its_period()


@pytest.mark.parametrize(
    "trouble",
    [
        lambda request: [(0, b"\x00\xff\x01\x03\x04\x55"), (0.002, answer_of(request))],
        lambda request: [(0.002, answer_of(request) + b"\xff\x00\x01\x03\x04\x55\xaa")],
        lambda request: [(0, request), (0.002, answer_of(request))],
        lambda request: [(0.001, bytes([byte])) for byte in b"\xaa" + answer_of(request) + b"\x01\x03"],
    ],
    ids=["before", "after", "echo", "around, in crumbs"],
)
async def test_noise_and_echo_around_an_answer_cost_nothing(
    line: Line, on_line: OnLine, trouble: Callable[[bytes], PIECES]
) -> None:
    line.trouble = trouble
    async with on_line() as station:
        for _ in range(4):
            await station.heals()
        assert station.sick.error is None
        assert station.sick.answers == station.sick.polls
        station.the_other_kept_its_period()


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(1, "function not known"), (2, "address not known"), (4, "device failure"), (0x81, "a code of the maker's own")],
)
async def test_a_refusal_is_told_with_its_code_and_is_a_sign_of_life(
    line: Line, on_line: OnLine, code: int, meaning: str
) -> None:
    line.trouble = lambda request: [(0.002, refusal(request, code))]
    async with on_line() as station:
        await station.missing(Reason.EXCEPTION)
        await station.missing(Reason.EXCEPTION)
        assert station.words() == f"the instrument refused: exception {code} ({meaning})"
        assert station.sick.failures == 0
        assert station.sick.next_probe_ms is None
        line.trouble = None
        await station.heals()
        station.the_other_kept_its_period()


@pytest.mark.parametrize("code", [5, 6], ids=["acknowledge", "busy"])
async def test_who_says_wait_is_asked_again_within_the_time_it_may_take(line: Line, on_line: OnLine, code: int) -> None:
    asked = 0

    def busy_at_first(request: bytes) -> PIECES:
        nonlocal asked
        asked += 1
        return right(request) if asked % 2 == 0 else [(0.002, refusal(request, code))]

    line.trouble = busy_at_first
    async with on_line() as station:
        for _ in range(3):
            await station.heals()
        assert all(has_values(group) for group in station.groups)
        line.trouble = lambda request: [(0.002, refusal(request, code))]
        asked_before = len(line.pty.requests)
        await station.missing(Reason.EXCEPTION)
        assert f"exception {code}" in station.words()
        # It is not asked without end: a poll costs the line no more than a time-out would.
        assert len([each for each in line.pty.requests[asked_before:] if each[0] == SICK]) <= 8
        line.trouble = None
        await station.heals()
        station.the_other_kept_its_period()


async def test_a_late_answer_is_given_to_nobody(line: Line, on_line: OnLine) -> None:
    """The sick instrument counts its requests and answers every third one only when the next was long asked."""
    asked = 0
    busy = asyncio.Lock()
    tasks: set[asyncio.Task[None]] = set()

    async def think(request: bytes, number: int) -> None:
        async with busy:  # one request after the other, as instruments do
            await asyncio.sleep(0.25 if number % 3 == 0 else 0.002)
            line.pty.say(registers_answer(request, *([number] * request[5])))

    def answering(request: bytes) -> PIECES:
        nonlocal asked
        asked += 1
        tasks.add(asyncio.ensure_future(think(request, asked)))
        return []

    line.trouble = answering
    taken: list[tuple[int, int]] = []
    async with on_line() as station:
        while len(taken) < 5:
            group = await station.until(lambda group: True)
            value = group.samples[0][1]
            if value is None:
                assert {why for _, _, why in group.samples} <= {Reason.TIMEOUT, Reason.SKIPPED}
            else:
                taken.append((round(value * 1000), asked))
        assert [number for number, _ in taken] == [sent for _, sent in taken]
        station.the_other_kept_its_period()


async def test_an_instrument_that_is_slow_now_and_then_keeps_its_values(line: Line, on_line: OnLine) -> None:
    asked = 0

    def slow_now_and_then(request: bytes) -> PIECES:
        nonlocal asked
        asked += 1
        return [(0.045 if asked % 6 == 0 else 0.002, answer_of(request))]

    line.trouble = slow_now_and_then
    async with on_line() as station:
        for _ in range(14):
            await station.until(lambda group: True)
        sick = [group for group in station.groups if group.instrument == "sick"]
        assert len([group for group in sick if has_values(group)]) >= len(sick) - 1
        assert all(group.samples[0][1] in (1.0, None) for group in sick)
        assert station.sick.next_probe_ms is None
        station.the_other_kept_its_period()


async def test_two_instruments_with_one_address_are_told_and_their_values_are_not_good(
    line: Line, on_line: OnLine
) -> None:
    line.trouble = lambda request: [(0.002, answer_of(request)), (0.01, answer_of(request, 777))]
    async with on_line() as station:
        group = await station.until(lambda group: Reason.MISMATCH in group.samples[0][2])
        assert all(Reason.MISMATCH in why for _, _, why in group.samples)
        assert station.words() == f"two instruments answer at address {SICK}"
        assert [each.detail for each in station.happenings if each.kind == "address_conflict"] == [
            {"instrument": "sick", "unit": SICK}
        ]
        line.trouble = None
        await station.until(lambda group: has_values(group) and group.samples[0][2] is Reason.NONE)
        assert station.sick.error is None
        assert station.kinds().count("address_conflict") == 1
        station.the_other_kept_its_period()


async def test_a_second_instrument_that_is_heard_only_now_and_then_gets_no_value_through_as_good(
    line: Line, on_line: OnLine
) -> None:
    asked = 0

    def sometimes_two(request: bytes) -> PIECES:
        nonlocal asked
        asked += 1
        second = [(0.01, answer_of(request, 777))] if asked % limits.ALONE_POLLS == 0 else []
        return [(0.002, answer_of(request)), *second]

    line.trouble = sometimes_two
    async with on_line() as station:
        await station.until(lambda group: Reason.MISMATCH in group.samples[0][2])
        for _ in range(3 * limits.ALONE_POLLS):
            group = await station.until(has_values)
            assert all(Reason.MISMATCH in why for _, _, why in group.samples)
        assert station.kinds().count("address_conflict") == 1
        station.the_other_kept_its_period()


async def test_a_dead_instrument_is_one_event_and_its_revival_another(line: Line, on_line: OnLine) -> None:
    line.trouble = lambda _request: []
    async with on_line() as station:
        await station.missing(Reason.TIMEOUT)
        await station.until(lambda group: group.samples[0][2] is Reason.SKIPPED)
        assert station.kinds() == ["instrument_silent"]
        line.trouble = None
        await station.heals(10)
        assert station.kinds() == ["instrument_silent", "instrument_back"]
        station.the_other_kept_its_period()


def test_framed_bytes_here_are_those_of_the_standard() -> None:
    assert framed(bytes.fromhex("010300000001")).hex() == "010300000001840a"
