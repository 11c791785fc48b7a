"""Messages are cut out of any stream of bytes, or they are not there; what is half or damaged is never a value."""

from functools import cache

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.spoken.sdi12 import (
    crc_letters,
    even_parity,
    has_even_parity,
    read_announcement,
    read_identification,
    read_values,
)
from haihe_edge.acquire.spoken.text import Framer, TextReader, expected_checksum, is_proved
from haihe_edge.profile import TextProfile, load_profile
from haihe_edge.profile.template import TemplateError, compile_template
from haihe_edge.profile.text import Aside, Checksum, Frame
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.edge.acquire.spoken.conftest import PROFILES

NMEA = Checksum("xor8", -4, "hex", (1, 5))
VICTRON = Frame(end="\r\nChecksum\t", trailing=1, most=512, aside=Aside(":", "\n"))
ZERO_SUM = Checksum("negative8", -1)
FRAMES = [
    (Frame(end="\r", most=32), None),
    (Frame(begin="\x02", end="\r\n\x03", most=32), Checksum("negative8", -5, "hex")),
    (Frame(begin="\xff", length=4), Checksum("sum8", 3)),
    (Frame(begin="$", end="\r\n", most=82), NMEA),
    (VICTRON, ZERO_SUM),
]


@cache
def profile_of(name: str) -> TextProfile:
    loaded = load_profile(PROFILES / f"{name}.yaml")
    assert isinstance(loaded, TextProfile)
    return loaded


def reader(profile: str) -> tuple[TextProfile, TextReader]:
    loaded = profile_of(profile)
    return loaded, TextReader(loaded, int(loaded.unit))


@pytest.mark.parametrize(("frame", "checksum"), FRAMES)
@given(pieces=st.lists(st.binary(max_size=600), max_size=12))
def test_any_stream_is_survived_in_bounded_memory(frame: Frame, checksum: Checksum | None, pieces: list[bytes]) -> None:
    framer = Framer(frame, checksum)
    for piece in pieces:
        for found in framer.feed(piece):
            assert checksum is None or is_proved(checksum, found)
        assert framer.held <= frame.most + 32


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 9))
def test_proved_frames_are_found_whatever_stands_between_and_however_they_are_cut(
    noise: list[bytes], size: int
) -> None:
    good = b"\xff\x07\xa1\xa7"
    stream = b"".join(part.replace(b"\xff", b"\xfe") + good for part in noise)
    framer = Framer(Frame(begin="\xff", length=4), Checksum("sum8", 3))
    found = [frame for at in range(0, len(stream), size) for frame in framer.feed(stream[at : at + size])]
    assert found == [good] * len(noise)


@given(st.integers(0, 59), st.integers(1, 255))
def test_a_block_with_any_one_byte_changed_is_refused(place: int, change: int) -> None:
    body = b"\r\nV\t12910\r\nI\t640\r\nPPV\t11\r\nCS\t3\r\nERR\t0\r\nH19\t104\r\nChecksum\t"
    block = body + expected_checksum(ZERO_SUM, body + b"\0")
    framer = Framer(VICTRON, ZERO_SUM)
    assert framer.feed(block) == [block]
    damaged = bytearray(block)
    damaged[place % len(block)] ^= change
    assert framer.feed(bytes(damaged)) == []


def test_a_checksum_byte_that_is_a_line_end_or_a_colon_does_no_harm() -> None:
    for last in b"\r\n:":
        head, tail = b"\r\nV\t12910\r\nX\t", b"\r\nChecksum\t"
        filler = bytes((200, -sum(head + tail) - 200 - last & 0xFF))
        block = head + filler + tail + bytes((last,))
        assert sum(block) % 256 == 0
        framer = Framer(VICTRON, ZERO_SUM)
        assert framer.feed(block + block) == [block] * 2


def test_a_message_that_was_heard_from_its_middle_is_not_believed() -> None:
    framer = Framer(Frame(end="\r\n"))
    assert framer.feed(b"2.34\r\n12.34\r\n") == [b"12.34\r\n"]
    assert Framer(Frame(end="\r\n"), midway=False).feed(b"12.34\r\n") == [b"12.34\r\n"]


def test_a_line_that_is_too_long_is_thrown_away_with_its_end() -> None:
    framer = Framer(Frame(end="\r", most=16), midway=False)
    for _ in range(50):
        assert framer.feed(b"x" * 100) == []
    assert framer.feed(b"R0001\rR0002\r") == [b"R0002\r"]
    assert framer.refused["oversize"] > 0


def test_half_a_line_glued_to_the_next_one_is_no_value() -> None:
    _, lines = reader("maxbotix-hrxl")
    assert lines.read(b"R12R1234\r") is None
    assert lines.read(b"R123\r") is None
    assert lines.read(b"RoHS 1.8b090  0713\r") is None
    heard = lines.read(b"R1234\r")
    assert heard is not None
    assert heard.values == {"distance": (1.234, Reason.NONE)}


@pytest.mark.parametrize("said", ["R\xb2\xb3\xb9\xb2", "R 123", "R-12", "R12.3", "R1e10", ""])
def test_what_only_looks_like_a_number_is_no_value(said: str) -> None:
    _, lines = reader("maxbotix-hrxl")
    assert lines.read(said.encode("latin-1") + b"\r") is None


def test_an_nmea_sentence_is_proved_by_the_same_means() -> None:
    assert is_proved(NMEA, b"$GPGLL,3751.65,S,14507.36,E*77\r\n")
    assert not is_proved(NMEA, b"$GPGLL,3751.65,S,14507.36,E*76\r\n")


def test_a_number_in_an_unknown_unit_is_not_published() -> None:
    _, rain = reader("hydreon-rg-15")
    heard = rain.read(b"Acc 0.00 mm, TotalAcc 1.23 cm, RInt 0.5 iph\r\n")
    assert heard is not None
    assert heard.values["total"] == (None, Reason.DAMAGED)
    assert heard.values["intensity"] == (12.7, Reason.NONE)
    assert rain.read(b"Acc 0.00 mm, Acc 0.10 mm\r\n") is None, "two messages in one"


@settings(deadline=2000)  # a pattern that tries every division of its text takes far longer than that
@given(st.text(st.characters(max_codepoint=255), max_size=400))
def test_no_text_keeps_the_reader_busy_or_breaks_it(text: str) -> None:
    for profile in ("campbell-sr50a-serial", "hydreon-rg-15", "vaisala-wxt530-ascii", "victron-ve-direct"):
        _, lines = reader(profile)
        lines.read(text.encode("latin-1") + b"\r\n\x03")


@pytest.mark.parametrize("template", ["{", "}", "[a", "a]", "[[a]]", "{X}", "{a:}", "{a}{a}", "{a:0}", "{a:.22}"])
def test_a_template_that_means_nothing_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(template, 1)


@given(st.text("{}[]:.ab*0159 ;", max_size=40))
def test_any_template_is_compiled_or_refused(template: str) -> None:
    try:
        compiled = compile_template(template, 7)
    except TemplateError:
        return
    compiled.pattern.fullmatch("a1;" * 40)


@given(
    st.lists(st.tuples(st.sampled_from("+-"), st.decimals(0, 9999, places=3)), min_size=1, max_size=7),
    st.sampled_from("0aZ"),
)
def test_values_with_their_crc_are_read_back_and_no_part_of_them(
    numbers: list[tuple[str, object]], address: str
) -> None:
    texts = [f"{sign}{number}" for sign, number in numbers]
    body = (address + "".join(texts)).encode("ascii")
    line = body + crc_letters(body) + b"\r\n"
    assert read_values(line, address, crc=True) == [float(text) for text in texts]
    for cut in range(1, len(line) - 2):
        with pytest.raises(ExchangeError):
            read_values(line[:cut] + b"\r\n", address, crc=True)


@pytest.mark.parametrize(
    "line",
    ["1+1.0", "0+", "0+.", "0++1", "01.0", "0+1.0.0", "0+12345678", "0+1 ", "0+1e5", "0+1,2", "\xb9+1", "0+1.0x"],
)
def test_values_that_are_not_understood_to_the_last_letter_are_none(line: str) -> None:
    with pytest.raises(ExchangeError):
        read_values(line.encode("latin-1") + b"\r\n", "0", crc=False)


def test_examples_of_the_specification_and_of_makers_have_that_crc() -> None:
    for text, letters in (
        (b"0+3.14", b"OqZ"),
        (b"0+3.14+2.718+1.414", b"Ipz"),
        (b"0+0.04+10+14.8+0.0+0+0.0", b"INy"),
    ):
        assert crc_letters(text) == letters


def test_an_empty_answer_is_no_zero() -> None:
    assert read_values(b"0\r\n", "0", crc=False) == []


@pytest.mark.parametrize("line", [b"0001\r\n", b"0abc1\r\n", b"000123\r\nx", b"\r\n", b"100013\r\n", b"0000123\r\n"])
def test_an_announcement_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(ExchangeError):
        read_announcement(line, "0")


def test_an_identification_is_read_to_its_serial_number() -> None:
    found = read_identification(b"213NR SYSTSENSOR1.2SN 12345\r\n".replace(b"NR SYST", b"NRSYSTEM"))
    assert found.address == "2"
    assert (found.vendor, found.model, found.firmware) == ("NRSYSTEM", "SENSOR", "1.2")


@given(st.binary(max_size=40), st.integers(0, 39), st.integers(0, 7))
def test_parity_shows_every_single_flipped_bit(data: bytes, place: int, bit: int) -> None:
    coded = bytearray(even_parity(data))
    assert has_even_parity(bytes(coded))
    assert bytes(byte & 0x7F for byte in coded) == bytes(byte & 0x7F for byte in data)
    if coded:
        coded[place % len(coded)] ^= 1 << bit
        assert not has_even_parity(bytes(coded))
