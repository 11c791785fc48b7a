"""Promises of the fleet: many stations on a real broker over real TLS, with real receipts, through its restart."""

import json

import pytest
from haihe_contract.errors import FieldError
from haihe_simulators.cli import main
from haihe_simulators.ensemble import mosquitto
from haihe_simulators.fleet import permit_files
from haihe_simulators.light_mqtt import varint

from tests.docs.json_page import holds

try:
    mosquitto()
except FieldError:
    pytest.skip("Mosquitto is not installed: apt-get install mosquitto", allow_module_level=True)


@pytest.mark.broker
@pytest.mark.parametrize(("how", "said"), [([], "stopped"), (["--kill"], "killed")])
def test_fifty_stations_are_all_live_again_after_the_broker_came_back_and_none_was_refused(
    capsys: pytest.CaptureFixture[str], how: list[str], said: str
) -> None:
    asked = ["fleet", "--stations", "50", "--every", "2s", "--watch", "2s", "--outage", "3s", "--retry-most", "3s"]
    assert main([*asked, *how, "--json", "--lang", "en"]) == 0
    told = capsys.readouterr()
    facts = json.loads(told.out)
    holds("haihe-sim fleet", facts)
    assert facts["ok"]
    assert (facts["refused"], facts["receipts_refused"], facts["dropped"]) == (0, 0, 0)
    assert facts["attempts_while_away"] > 0  # they did try, and did not wait for us
    assert facts["attempts_after"] >= 50
    assert 0 < facts["connected_again_s"] <= facts["current_again_s"] <= facts["live_again_s"] < 20
    assert facts["stored_again"] == 50  # each with something that was measured since, by the centre's own file
    assert facts["batches_per_s"] > 15
    assert f"the broker is {said}" in told.err


@pytest.mark.broker
def test_a_station_is_live_again_by_something_it_measured_since_and_never_by_a_receipt_the_broker_had_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["fleet", "--stations", "10", "--every", "8s", "--watch", "1s", "--outage", "1s", "--retry-most", "1s"]
    assert main([*asked, "--json", "--lang", "en"]) == 0
    facts = json.loads(capsys.readouterr().out)
    # One of ten measures every 0.8 s, so before 7.2 s at least one of them cannot have measured since.
    assert facts["live_again_s"] > 6
    assert facts["stored_again"] == 10


def test_more_stations_than_this_machine_may_open_files_for_are_refused_with_what_to_do() -> None:
    with pytest.raises(FieldError, match="one process may open") as caught:
        permit_files(2**40)
    assert "ulimit" in caught.value.do


@pytest.mark.parametrize(
    ("number", "wire"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (268_435_455, b"\xff\xff\xff\x7f")]
)
def test_lengths_are_written_as_the_standard_shows_them(number: int, wire: bytes) -> None:
    assert varint(number) == wire  # MQTT 5.0, table 1-1


def test_a_number_of_stations_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fleet", "--stations", "0"])
    assert ended.value.code == 2
    assert "50000" in capsys.readouterr().err
