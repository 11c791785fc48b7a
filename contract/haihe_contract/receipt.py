"""A receipt: the centre's signed statement of which numbers of a station it holds durably, version 1, frozen.

Only a receipt frees a record, and a broker's acknowledgement never does. Any true subset of the ledger is a
receipt, so one that had to be cut to size is still right.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from .ed25519 import SIGNATURE_BYTES, PublicKey
from .ranges import Range, RangeSet

RECEIPT_BYTES_MAX = 4096
VERSION = 1


class Signer(Protocol):
    """The centre's private key, an ``Ed25519PrivateKey`` of cryptography."""

    def sign(self, data: bytes, /) -> bytes:
        """The 64 bytes of the signature."""


class ReceiptRefused(Exception):
    """The bytes are no receipt of that centre for this station."""


class LineHeld(msgspec.Struct, frozen=True, array_like=True):
    """What the centre holds of one line, and what it refused (kept in quarantine, not to be sent again)."""

    line: int
    held: list[Range]
    refused: list[Range] = []


class Credit(msgspec.Struct, frozen=True, array_like=True):
    """A cap on backlog that the centre asks for while it has too much to do.

    Args:
        batches: of the backlog lane that may be under way without receipt; 0 for none.
        seconds: so long after the receipt was heard; then the cap is gone, and only the station's own window holds.
    """

    batches: int
    seconds: int


class LineWanted(msgspec.Struct, frozen=True, array_like=True):
    """Numbers of one line that the centre lacks and believes to be still in the station."""

    line: int
    ranges: list[Range]


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """What was signed.

    Args:
        version: of this form.
        centre: who holds.
        epoch: minted when the ledger was made or restored from a backup; a higher one voids all lower ones.
        station: whose numbers.
        issued_ms: when, by the centre's clock.
        lines: newest line first.
        credit: cap on backlog, or None.
        wanted: what the station is asked to send again, whatever it believes to be settled.
        codecs: compressions that this centre can undo (:data:`haihe_contract.wire.CODECS`); none named means those
            that every version 1 can.
    """

    version: int
    centre: str
    epoch: int
    station: str
    issued_ms: int
    lines: list[LineHeld]
    credit: Credit | None = None
    wanted: list[LineWanted] = []
    codecs: list[int] = []

    def settled(self) -> dict[int, RangeSet]:
        """Numbers per line that need not be sent again."""
        return {each.line: RangeSet(each.held + each.refused) for each in self.lines}

    def asked_for(self) -> dict[int, RangeSet]:
        """Numbers per line that the centre wants to have again."""
        return {each.line: RangeSet(each.ranges) for each in self.wanted}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Receipt)


def sign(receipt: Receipt, key: Signer) -> bytes:
    """Bytes of the receipt with its signature in front, cut to its first lines if it were too long.

    A line is left out whole or loses its highest ranges: both leave a true statement, and a smaller wish.
    """
    lines: Sequence[LineHeld] = receipt.lines
    wanted: Sequence[LineWanted] = receipt.wanted
    while True:
        body = _encoder.encode(msgspec.structs.replace(receipt, lines=lines, wanted=wanted))
        if len(body) + SIGNATURE_BYTES <= RECEIPT_BYTES_MAX:
            return key.sign(body) + body
        if len(_encoder.encode(wanted)) > len(_encoder.encode(lines)):
            wanted = _fewer(wanted, _half_wanted)
        else:
            lines = _fewer(lines, _half_held)


_Line = TypeVar("_Line", LineHeld, LineWanted)


def _fewer(lines: Sequence[_Line], half: Callable[[_Line], _Line]) -> Sequence[_Line]:
    """Three quarters of the lines, or half of the only one."""
    return [half(lines[0])] if len(lines) == 1 else lines[: len(lines) * 3 // 4]


def _half_held(of: LineHeld) -> LineHeld:
    return LineHeld(of.line, of.held[: len(of.held) // 2], of.refused[: len(of.refused) // 2])


def _half_wanted(of: LineWanted) -> LineWanted:
    return LineWanted(of.line, of.ranges[: len(of.ranges) // 2])


def verify(data: bytes, key: PublicKey, *, centre: str, station: str) -> Receipt:
    """Check signature, centre and station.

    Raises:
        ReceiptRefused: with the reason.
    """
    if not SIGNATURE_BYTES < len(data) <= RECEIPT_BYTES_MAX:
        raise ReceiptRefused(f"a receipt has 65 to {RECEIPT_BYTES_MAX} bytes, this has {len(data)}")
    if not key.verify(data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]):
        raise ReceiptRefused("the signature is not of the centre's receipt key")
    try:
        receipt = _decoder.decode(data[SIGNATURE_BYTES:])
        receipt.settled()
        receipt.asked_for()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ReceiptRefused(f"signed, but not readable: {error}") from None
    if receipt.version != VERSION:
        raise ReceiptRefused(f"version {receipt.version} is not known here")
    if (receipt.centre, receipt.station) != (centre, station):
        raise ReceiptRefused(f"meant for station {receipt.station} by centre {receipt.centre}")
    return receipt
