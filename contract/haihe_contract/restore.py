"""What a station with a new card asks its centre, and the centre's signed answer: the latest state of each name.

The question is drawn anew each time and stands in the answer, so an answer that was heard before proves nothing.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from .ed25519 import SIGNATURE_BYTES, PublicKey
from .receipt import Signer
from .wire import BATCH_BYTES_MAX, RAW_BYTES_MAX

VERSION = 1
SITE = "site"
"""The state that holds the site file."""
QUESTION_BYTES = 16
ANSWER_BYTES_MAX = BATCH_BYTES_MAX
"""What passes a broker as a batch passes it as an answer."""
STATES_BYTES_MAX = RAW_BYTES_MAX
"""Of the states before compression."""


class AnswerRefused(Exception):
    """The bytes are no answer of that centre to this question."""


class StationState(msgspec.Struct):
    """The latest state of one name.

    Args:
        name: what it is the state of.
        time_ms: since when, by the station's clock.
        grade: how good that clock was.
        value: as the station wrote it.
    """

    name: str
    time_ms: int
    grade: int
    value: dict[str, Any]


class StationStates(msgspec.Struct):
    """What ``haihe-cloud station state CODE --json`` prints, and ``haihe-edge init --restore FILE`` reads."""

    station: str
    states: list[StationState]


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="state"):
    """What was signed. Its first element is a word, so that it can never be taken for a receipt.

    Args:
        version: of this form.
        centre: who answers.
        station: who has asked.
        question: as it came.
        issued_ms: when, by the centre's clock.
        registered: whether the centre knows the station; if not, it tells nothing else.
        left_out: states that had no room.
        packed: the others as JSON, compressed (zlib).
    """

    version: int
    centre: str
    station: str
    question: bytes
    issued_ms: int
    registered: bool
    left_out: int
    packed: bytes

    def states(self) -> list[StationState]:
        """The states.

        Raises:
            ValueError: when they cannot be read.
        """
        return unpack_states(self.packed)


_states = msgspec.json.Decoder(list[StationState])
_decoder = msgspec.msgpack.Decoder(Answer)
_FRAME_BYTES = 256
"""What an answer has around its states, its signature included."""


def pack_states(states: Sequence[StationState], most: int) -> tuple[bytes, int]:
    """The states as JSON, compressed to at most so many bytes, and how many had no room; the site file goes last."""
    told = sorted(states, key=lambda state: (state.name != SITE, -state.time_ms, state.name))
    while True:
        text = msgspec.json.encode(told)
        packed = zlib.compress(text)
        if len(text) <= STATES_BYTES_MAX and len(packed) <= most:
            return packed, len(states) - len(told)
        told = told[: len(told) * 3 // 4]


def unpack_states(packed: bytes) -> list[StationState]:
    """What :func:`pack_states` has packed.

    Raises:
        ValueError: when they cannot be read.
    """
    opened = zlib.decompressobj()
    try:
        text = opened.decompress(packed, STATES_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not opened.eof:
        raise ValueError("the states are too long, or cut off")
    return _states.decode(text)


def sign(
    key: Signer, *, centre: str, station: str, question: bytes, issued_ms: int, states: Sequence[StationState] | None
) -> bytes:
    """Bytes of the answer with its signature in front; what has no room is left out, the site file last.

    Args:
        key: the centre's, as for its receipts.
        centre: who answers.
        station: who has asked.
        question: as it came.
        issued_ms: when, by the centre's clock.
        states: what is known of the station; None when it is not registered.
    """
    packed, left_out = pack_states(states or (), ANSWER_BYTES_MAX - _FRAME_BYTES)
    answer = Answer(VERSION, centre, station, question, issued_ms, states is not None, left_out, packed)
    body = msgspec.msgpack.encode(answer)
    return key.sign(body) + body


def verify(data: bytes, key: PublicKey, *, centre: str, station: str, question: bytes) -> Answer:
    """Check signature, centre, station and question.

    Raises:
        AnswerRefused: with the reason.
    """
    if not SIGNATURE_BYTES < len(data) <= ANSWER_BYTES_MAX:
        raise AnswerRefused(f"an answer has 65 to {ANSWER_BYTES_MAX} bytes, this has {len(data)}")
    if not key.verify(data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]):
        raise AnswerRefused("the signature is not of the centre's receipt key")
    try:
        answer = _decoder.decode(data[SIGNATURE_BYTES:])
        answer.states()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise AnswerRefused(f"signed, but not readable: {error}") from None
    if answer.version != VERSION:
        raise AnswerRefused(f"version {answer.version} is not known here")
    if (answer.centre, answer.station) != (centre, station):
        raise AnswerRefused(f"meant for station {answer.station} by centre {answer.centre}")
    if answer.question != question:
        raise AnswerRefused("it answers another question")
    return answer
