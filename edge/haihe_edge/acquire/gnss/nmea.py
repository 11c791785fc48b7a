"""What a positioning receiver says: NMEA 0183 sentences in a stream of bytes. Pure.

The way in: own framing on bytes, own checksum (required), then the type, only then a parser, then limits of
what can be true. Receivers in the field leave checksums out, glue sentences together, and send answers of
short-message terminals in the same stream.

The parser is imported with the first sentence, so a station without a receiver does not pay for its many types.
"""

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, NamedTuple

from haihe_edge import limits

if TYPE_CHECKING:
    import pynmea2

TALKERS = frozenset(("BD", "GB", "GN", "GP", "GL", "GA", "GQ", "QZ", "GI"))
"""Beidou (two ways), combined, GPS, GLONASS, Galileo, QZSS (two ways), NavIC."""
_TYPES = frozenset(("GGA", "RMC", "ZDA", "TXT"))
_SENTENCE = re.compile(rb"\$([ -#%-)+-~\x80-\xff]*)\*([0-9A-Fa-f]{2})")
_ANTENNA = re.compile(r"ANTENNA(OK|OPEN|SHORT)$|ANTSTATUS=(\w+)$")
_ANTENNA_STATES = {"OK": "ok", "OPEN": "open", "SHORT": "short"}
_BANNERS = ("MA=", "IC=", "SW=", "MO=", "HW", "PROTVER", "FWVER", "MOD=")
_FIX_QUALITIES = frozenset((1, 2, 3, 4, 5))
"""0 is none; 6 dead reckoning, 7 typed in by hand and 8 a simulator are no measured position."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No message is older than this program: a date before is a receiver whose week number rolled over."""
YEARS_MAX = 20


class Position(NamedTuple):
    """Where, from GGA: degrees; None for each when there is no fix."""

    latitude: float | None
    longitude: float | None
    satellites: int | None


class Moment(NamedTuple):
    """When, in milliseconds UTC, and whether the receiver itself calls it valid (ZDA can't say: None)."""

    utc_ms: int | None
    valid: bool | None


class Antenna(NamedTuple):
    """State of the antenna: ok, open or short."""

    state: str


class Banner(NamedTuple):
    """The receiver has just started."""

    text: str


Word = Position | Moment | Antenna | Banner


def checksum(body: bytes) -> int:
    """XOR of all bytes between ``$`` and ``*``."""
    found = 0
    for byte in body:
        found ^= byte
    return found


class Framer:
    """Cuts a stream of bytes into sentences with a good checksum, and counts what was refused by cause."""

    def __init__(self) -> None:
        self.refused = {"checksum": 0, "oversize": 0}
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[bytes]:
        """The bodies (between ``$`` and ``*``) that these bytes complete."""
        buffer = self._buffer
        buffer += data
        found = []
        end = 0
        for match in _SENTENCE.finditer(buffer):
            end = match.end()
            if checksum(match[1]) == int(match[2], 16):
                found.append(bytes(match[1]))
            else:
                self.refused["checksum"] += 1
        del buffer[:end]
        start = buffer.rfind(b"$")  # a later $ starts anew; what stands before can't become a sentence
        del buffer[: start if start >= 0 else len(buffer)]
        if len(buffer) > limits.NMEA_SENTENCE_BYTES_MAX:
            self.refused["oversize"] += 1
            buffer.clear()
        return found


def read(body: bytes, earliest: datetime = EARLIEST) -> Word | None:
    """What a sentence says, or None when it says nothing that we use, or nothing that can be true.

    Args:
        body: between ``$`` and ``*``, checksum already checked.
        earliest: dates before this are not believed, nor those :data:`YEARS_MAX` years after it.
    """
    head = body[:5].decode("latin-1")
    if head[:2] not in TALKERS or head[2:] not in _TYPES or body[5:6] != b",":
        return None
    if head[2:] == "TXT":
        return _text(body.decode("latin-1"))
    import pynmea2

    try:
        sentence = pynmea2.parse("$" + body.decode("latin-1"))
        if head[2:] == "GGA":
            return _position(sentence)
        return _moment(sentence, head[2:], earliest)
    except (ValueError, TypeError, IndexError, AttributeError):  # pynmea2's ParseError is a ValueError
        return None


def _text(body: str) -> Word | None:
    said = body.split(",", 4)[-1].replace(" ", "").upper()
    match = _ANTENNA.search(said)
    if match:
        state = _ANTENNA_STATES.get(match[1] or match[2])
        return Antenna(state) if state else None  # INIT and DONTKNOW say nothing
    return Banner(body.split(",", 4)[-1]) if said.startswith(_BANNERS) else None


def _position(sentence: "pynmea2.GGA") -> Position:
    satellites = int(sentence.num_sats) if str(sentence.num_sats).isdecimal() else None
    fixed = int(sentence.gps_qual or 0) in _FIX_QUALITIES
    # An empty field would come out as 0.0 degrees, which is a place in the sea.
    if not fixed or not (sentence.lat and sentence.lon and sentence.lat_dir and sentence.lon_dir):
        return Position(None, None, satellites)
    latitude, longitude = float(sentence.latitude), float(sentence.longitude)
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return Position(None, None, satellites)
    return Position(round(latitude, 7), round(longitude, 7), satellites)


def _moment(sentence: "pynmea2.RMC | pynmea2.ZDA", kind: str, earliest: datetime) -> Moment | None:
    if kind == "RMC":
        # Not .is_valid: it says no for every receiver whose navigational status is V, which many always send.
        valid = sentence.status == "A" and (sentence.data + [""] * 12)[11] != "N"
        day, hour = sentence.datestamp, sentence.timestamp
    else:
        valid = None
        if not (1 <= int(sentence.day) <= 31 and 1 <= int(sentence.month) <= 12):
            return None
        day, hour = date(int(sentence.year), int(sentence.month), int(sentence.day)), sentence.timestamp
    # At a leap second (23:59:60) the time stays a text: that second is left out.
    if not isinstance(day, date) or not isinstance(hour, time):
        return Moment(None, valid)
    when = datetime.combine(day, hour.replace(tzinfo=None), UTC)
    if not earliest <= when < earliest.replace(year=earliest.year + YEARS_MAX):
        return Moment(None, valid)
    return Moment(round(when.timestamp() * 1000), valid)


class Receiver:
    """What the receiver has said lately. Pure: the time of arrival comes in with every sentence."""

    def __init__(self, earliest: datetime = EARLIEST) -> None:
        self._earliest = earliest
        self.heard_ms: int | None = None
        self.position: Position | None = None
        self.position_ms = 0
        self.valid = False
        self.valid_ms: int | None = None
        self.antenna = "unknown"
        self.starts = 0
        self._banner_ms: int | None = None

    def take(self, body: bytes, monotonic_ms: int) -> Moment | Antenna | Banner | None:
        """Take a sentence in.

        Returns:
            A trusted moment, a change of the antenna, a restart of the receiver, or None.
        """
        word = read(body, self._earliest)
        if body[:2].decode("latin-1") in TALKERS:
            self.heard_ms = monotonic_ms
        if isinstance(word, Position):
            self.position, self.position_ms = word, monotonic_ms
        elif isinstance(word, Moment):
            return self._moment(word, monotonic_ms)
        elif isinstance(word, Antenna):
            if word.state != self.antenna:
                self.antenna = word.state
                return word
        elif isinstance(word, Banner):
            first = self._banner_ms is None or monotonic_ms - self._banner_ms > limits.NMEA_SILENCE_MS
            self._banner_ms = monotonic_ms
            if first:
                self.starts += 1
                return word
        return None

    def _moment(self, word: Moment, monotonic_ms: int) -> Moment | None:
        if word.valid is not None:
            self.valid, self.valid_ms = word.valid, monotonic_ms
        elif self.valid_ms is not None:
            return None  # a receiver that sends RMC too: its RMC brings the time, with its own word that it is good
        # ZDA also speaks from the receiver's own clock before any satellite: not without a position.
        trusted = self.is_valid(monotonic_ms) and (word.valid or self.fix(monotonic_ms).latitude is not None)
        return word if trusted and word.utc_ms is not None else None

    def is_valid(self, monotonic_ms: int) -> bool:
        """Whether the receiver calls its fix valid now; one that never sends RMC has only GGA to say so."""
        if self.valid_ms is None:
            return True
        return self.valid and monotonic_ms - self.valid_ms <= limits.NMEA_SILENCE_MS

    def is_heard(self, monotonic_ms: int) -> bool:
        """Whether it has said anything lately."""
        return self.heard_ms is not None and monotonic_ms - self.heard_ms <= limits.NMEA_SILENCE_MS

    def fix(self, monotonic_ms: int) -> Position:
        """The newest position that is still good, or one without place."""
        position = self.position
        if position is None or monotonic_ms - self.position_ms > limits.NMEA_SILENCE_MS:
            return Position(None, None, None)
        if not self.is_valid(monotonic_ms):
            return Position(None, None, position.satellites)
        return position
