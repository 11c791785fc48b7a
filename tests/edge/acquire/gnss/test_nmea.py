"""What a receiver says is believed only when it can be true."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from haihe_edge.acquire.gnss.nmea import Antenna, Banner, Framer, Moment, Position, Receiver, checksum, read
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.far_end import nmea

VECTORS = Path(__file__).parents[5] / "shared" / "reference" / "beidou_vectors.json"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
GGA = "GNGGA,081500.000,3908.748,N,11711.382,E,1,14,0.7,5.0,M,,M,,"
RMC = "GNRMC,081500.000,A,3908.748,N,11711.382,E,0.00,0.0,010826,,,A,V"


def say(receiver: Receiver, *bodies: str, at: int = 1000) -> list[object]:
    found = [receiver.take(body, at) for text in bodies for body in Framer().feed(nmea(text))]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("talker", ["BD", "GB", "GN", "GP", "GL", "GA", "GQ", "QZ", "GI"])
def test_every_talker_in_use_is_understood(talker: str) -> None:
    assert read((talker + GGA[2:]).encode()) == Position(39.1458, 117.1897, 14)


def test_a_valid_fix_with_navigational_status_v_is_a_fix() -> None:
    receiver = Receiver()
    assert say(receiver, GGA, RMC) == [Moment(1785572100000, True)]
    assert receiver.fix(1000) == Position(39.1458, 117.1897, 14)


@pytest.mark.parametrize("body", [RMC.replace(",A,3908", ",V,3908"), RMC.replace(",A,V", ",N,V")])
def test_a_fix_the_receiver_does_not_call_valid_is_none(body: str) -> None:
    receiver = Receiver()
    assert say(receiver, GGA, body) == []
    assert receiver.fix(1000) == Position(None, None, 14)


def test_an_empty_latitude_is_not_null_island() -> None:
    assert read(b"GNGGA,081500.000,,,,,1,00,99.9,,M,,M,,") == Position(None, None, 0)


@pytest.mark.parametrize("quality", ["0", "6", "7", "8", ""])
def test_a_place_that_was_not_measured_is_none(quality: str) -> None:
    word = read(GGA.replace(",E,1,", f",E,{quality},").encode())
    assert isinstance(word, Position)
    assert word.latitude is None


def test_an_old_fix_is_not_given_for_a_new_one() -> None:
    receiver = Receiver()
    say(receiver, GGA, RMC)
    assert receiver.fix(5_900).latitude is not None
    assert receiver.fix(6_100).latitude is None
    assert not receiver.is_heard(6_100)


@pytest.mark.parametrize("day", ["010880", "061206", "010800", "010850"])
def test_a_date_that_cannot_be_true_gives_no_time(day: str) -> None:
    receiver = Receiver()
    assert say(receiver, RMC.replace("010826", day)) == []
    assert receiver.is_valid(1000)


def test_a_leap_second_does_no_harm() -> None:
    receiver = Receiver()
    assert say(receiver, RMC.replace("081500.000", "235960.000").replace("010826", "311226")) == []
    assert receiver.is_valid(1000)


def test_a_receivers_own_clock_is_not_believed_before_satellites() -> None:
    receiver = Receiver()
    assert say(receiver, "GNZDA,081500.000,01,08,2026,00,00") == []
    assert say(receiver, GGA, "GNZDA,081500.000,01,08,2026,00,00") == [Moment(1785572100000, None)]


def test_the_time_is_utc_whatever_zone_the_sentence_names() -> None:
    assert read(b"BDZDA,081500.00,01,08,2026,-08,00") == Moment(1785572100000, None)


def test_a_native_sentence_that_only_looks_like_time_is_refused() -> None:
    assert read(b"BDZDA,3,000329.00,01,01,2006,-08,00,4,0", LONG_AGO) is None


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("GNTXT,01,01,01,ANTENNA OK", "ok"),
        ("GPTXT, 01, 01, 01, ANTENNAOPEN", "open"),
        ("BDTXT,01,01,01,ANTENNA SHORT", "short"),
        ("GNTXT,01,01,02,ANTSTATUS=OPEN", "open"),
    ],
)
def test_antenna_texts_of_all_families_are_understood(text: str, state: str) -> None:
    assert read(text.encode()) == Antenna(state)


def test_the_antenna_is_told_on_change_only_and_starts_unknown() -> None:
    receiver = Receiver()
    assert receiver.antenna == "unknown"
    ok, opened = "GNTXT,01,01,01,ANTENNA OK", "GNTXT,01,01,01,ANTENNA OPEN"
    assert say(receiver, "GNTXT,01,01,02,ANTSTATUS=INIT", ok, ok, opened, opened) == [Antenna("ok"), Antenna("open")]


def test_one_banner_of_many_lines_is_one_start() -> None:
    receiver = Receiver()
    banner = ["GNTXT,01,01,02,MA=CASIC", "GNTXT,01,01,02,IC=AT6558", "GNTXT,01,01,02,SW=URANUS5"]
    assert [type(each) for each in say(receiver, *banner)] == [Banner]
    assert [type(each) for each in say(receiver, *banner, at=60_000)] == [Banner]
    assert receiver.starts == 2


def test_a_sentence_without_checksum_is_not_believed() -> None:
    assert Framer().feed(b"$" + RMC.encode() + b"\r\n$GNRMC,\r\n") == []


def test_a_sentence_cut_off_by_another_leaves_the_other_whole() -> None:
    framer = Framer()
    assert framer.feed(b"$GNRMC,0815" + nmea(GGA)) == [GGA.encode()]


def test_binary_frames_between_sentences_do_no_harm() -> None:
    framer = Framer()
    noise = bytes.fromhex("24494358580016") + b"\x00*\x0d\x0a\x81$$$"
    assert framer.feed(noise + nmea(GGA) + noise + nmea(RMC)) == [GGA.encode(), RMC.encode()]


def test_an_endless_sentence_is_dropped_and_counted() -> None:
    framer = Framer()
    for _ in range(3):
        framer.feed(b"$GNTXT," + b"x" * 1100)
    assert framer.refused["oversize"] == 3
    assert framer.feed(nmea(GGA)) == [GGA.encode()]


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 7))
def test_any_stream_in_any_pieces_is_survived(noise: list[bytes], size: int) -> None:
    stream = nmea(GGA).join(noise)
    framer, receiver = Framer(), Receiver()
    for at in range(0, len(stream), size):
        for body in framer.feed(stream[at : at + size]):
            receiver.take(body, at)


@given(st.text(alphabet="0123456789,.-ANSEWV ", max_size=60), st.sampled_from(["GGA", "RMC", "ZDA", "TXT"]))
def test_any_fields_are_survived(fields: str, kind: str) -> None:
    read(f"GN{kind},{fields}".encode())


def test_sentences_of_real_receivers_are_read_as_collected() -> None:
    if not VECTORS.is_file():
        pytest.skip("the collected Beidou sentences (../shared/reference/beidou_vectors.json) are not here")
    for vector in json.loads(VECTORS.read_text()):
        sentence = vector["sentence"]
        if vector["dialect"] != "nmea":
            # Short-message traffic on the same line: framed or not, it says nothing about place or time.
            raw = bytes.fromhex(sentence) if vector["dialect"] == "rdss-4.0" else sentence.encode("gb18030")
            assert all(read(body, LONG_AGO) is None for body in Framer().feed(raw + b"\r\n")), sentence
            continue
        bodies = Framer().feed(sentence.encode("latin-1") + b"\r\n")
        assert bool(bodies) == vector["ok_checksum"], sentence
        for body in bodies:
            assert checksum(body) == int(vector["given"], 16)
            word = read(body, LONG_AGO)
            if body[2:5] in (b"GGA", b"RMC", b"ZDA"):
                assert word is not None, sentence
            if "ANTENNA" in sentence or ("ANTSTATUS" in sentence and "INIT" not in sentence):
                assert isinstance(word, Antenna), sentence
