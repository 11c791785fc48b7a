"""A receipt: the centre's signed statement of which numbers of a station it holds durably.

Only a receipt frees a record, and a broker's acknowledgement never does. Any true subset of the ledger is a
receipt, so one that had to be cut to size is still right.
"""

from typing import Protocol

import msgspec

from .ed25519 import SIGNATURE_BYTES, PublicKey
from .ranges import Range, RangeSet

RECEIPT_BYTES_MAX = 4096
_VERSION = 0


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


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """What was signed.

    Args:
        version: of this form.
        centre: who holds.
        epoch: minted when the ledger was made or restored from a backup; a higher one voids all lower ones.
        station: whose numbers.
        issued_ms: when, by the centre's clock.
        lines: newest line first.
    """

    version: int
    centre: str
    epoch: int
    station: str
    issued_ms: int
    lines: list[LineHeld]

    def settled(self) -> dict[int, RangeSet]:
        """Numbers per line that need not be sent again."""
        return {each.line: RangeSet(each.held + each.refused) for each in self.lines}


_decoder = msgspec.msgpack.Decoder(Receipt)


def sign(receipt: Receipt, key: Signer) -> bytes:
    """Bytes of the receipt with its signature in front, cut to the newest lines if it were too long.

    A line is left out whole or loses its highest ranges: both leave a true statement.
    """
    lines = list(receipt.lines)
    while True:
        body = msgspec.msgpack.encode(msgspec.structs.replace(receipt, lines=lines))
        if len(body) + SIGNATURE_BYTES <= RECEIPT_BYTES_MAX:
            return key.sign(body) + body
        if len(lines) > 1:
            lines = lines[: len(lines) * 3 // 4 or 1]
        else:
            only = lines[0]
            lines = [LineHeld(only.line, only.held[: len(only.held) // 2], only.refused[: len(only.refused) // 2])]


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
    except (msgspec.DecodeError, ValueError) as error:
        raise ReceiptRefused(f"signed, but not readable: {error}") from None
    if (receipt.version, receipt.centre, receipt.station) != (_VERSION, centre, station):
        raise ReceiptRefused(f"meant for station {receipt.station} by centre {receipt.centre}")
    return receipt
