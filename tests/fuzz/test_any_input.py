"""No input harms whoever takes it: batches, receipts, answers, bundles and site files, changed anywhere in any way."""

from collections.abc import Callable, Iterable

import pytest
from haihe_cloud.ingest.admit import Admitted, admit
from haihe_contract import topic
from haihe_contract.bundle import read_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import (
    SERIES,
    TARGETS,
    answer,
    answer_seeds,
    batch,
    batch_seeds,
    bundle,
    bundle_seeds,
    receipt,
    receipt_seeds,
    sealed,
    signed,
    site,
    site_seeds,
    speaker_of,
)

_FEW = 150


def changed(seeds: Callable[[], Iterable[bytes]]) -> st.SearchStrategy[bytes]:
    """A seed with pieces of it overwritten, left out, repeated, or filled with other bytes."""
    some = list(seeds())

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(st.sampled_from(some)))
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, len(data)))
            length = draw(st.integers(0, 8))
            put = draw(st.one_of(st.binary(max_size=9), st.just(bytes(data[at : at + 40]))))
            data[at : at + length] = put
        return bytes(data)

    return st.one_of(change(), st.binary(max_size=300))


_quiet = settings(max_examples=_FEW, suppress_health_check=list(HealthCheck))


@given(changed(batch_seeds))
@settings(_quiet, max_examples=4 * _FEW)
def test_no_bytes_from_a_station_harm_the_centre(data: bytes) -> None:
    batch(data)


@given(changed(receipt_seeds))
@settings(_quiet, max_examples=4 * _FEW)
def test_no_bytes_from_a_centre_harm_the_station(data: bytes) -> None:
    receipt(data)


@given(changed(answer_seeds))
@_quiet
def test_no_answer_to_a_question_harms_a_station_with_a_new_card(data: bytes) -> None:
    answer(data)


@given(changed(bundle_seeds))
@_quiet
def test_no_file_that_is_carried_harms_a_centre_a_station_or_a_new_card(data: bytes) -> None:
    bundle(data)


@given(changed(site_seeds))
@_quiet
def test_any_site_file_is_taken_or_refused_with_its_faults_by_line(data: bytes) -> None:
    site(data)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_itself_goes_all_the_way(name: str) -> None:
    target, seeds = TARGETS[name]
    for data in seeds():
        assert len(data) < 1 << 20
        target(data)


def test_the_seeds_are_not_refused_at_the_door() -> None:
    admitted = []
    for data in batch_seeds():
        for payload in (data, sealed(data)):
            station = speaker_of(payload)
            verdict = admit(topic.up(station, 1), payload, {station}, lambda *_: SERIES)
            admitted.append(isinstance(verdict, Admitted) and not verdict.refused)
    assert sum(admitted) >= 15
    carried = [read_bundle(signed(data)) for data in list(bundle_seeds())[:3]]
    assert [len(each.batches) > 2 for each in carried] == [False, False, True]
