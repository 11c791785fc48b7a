"""Little-endian base-128 integers and zigzag, with a short way for columns of small numbers."""

from collections.abc import Iterable, Sequence
from itertools import repeat


class Malformed(ValueError):
    """Bytes that end too early or count too far."""


def put(out: bytearray, number: int) -> None:
    """Append one non-negative integer."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def put_column(out: bytearray, numbers: Sequence[int]) -> None:
    """Append non-negative integers one after the other."""
    if numbers and max(numbers) < 0x80:
        out += bytes(numbers)
        return
    for number in numbers:
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)


def put_signed(out: bytearray, numbers: Iterable[int]) -> None:
    """Append signed integers one after the other, as zigzag: small magnitudes stay small."""
    put_column(out, [n << 1 if n >= 0 else (-n << 1) - 1 for n in numbers])


def _unzigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


_SMALL = [_unzigzag(number) for number in range(0x80)]
_COLUMN_SHIFT_MAX = 70


class Reader:
    """Reads what the functions above wrote; every length is checked before it is believed."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def varint(self, most: int = 2**64 - 1) -> int:
        """One non-negative integer.

        Raises:
            Malformed: when it is cut short or larger than ``most``.
        """
        data, at = self.data, self.at
        if at < len(data) and (number := data[at]) < 0x80 and number <= most:  # nearly all of them
            self.at = at + 1
            return number
        number = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise Malformed(f"number cut short at byte {self.at}")
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if number > most:
            raise Malformed(f"{number} at byte {self.at} is more than {most}")
        self.at = at
        return number

    def take(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            Malformed: when there are fewer.
        """
        if count < 0 or count > len(self.data) - self.at:
            raise Malformed(f"{count} bytes wanted at byte {self.at}, {len(self.data) - self.at} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def column(self, count: int) -> Sequence[int]:
        """So many non-negative integers.

        Raises:
            Malformed: when there are fewer.
        """
        plain = self.data[self.at : self.at + count]
        if len(plain) < count:
            raise Malformed(f"column of {count} numbers at byte {self.at} has only {len(plain)} bytes")
        if plain.isascii():
            self.at += count
            return plain
        return self._column(count)

    def _column(self, count: int) -> list[int]:
        stream = iter(memoryview(self.data)[self.at :])
        numbers: list[int] = []
        more = 0
        for _ in repeat(None, count):
            number = next(stream, 0x80)
            if number >= 0x80:
                number &= 0x7F
                shift = 7
                for byte in stream:
                    more += 1
                    number |= (byte & 0x7F) << shift
                    if byte < 0x80:
                        break
                    shift += 7
                    if shift > _COLUMN_SHIFT_MAX:
                        raise Malformed("number too long")
                else:
                    raise Malformed("column cut short")
            numbers.append(number)
        self.at += count + more
        return numbers

    def signed(self, count: int) -> list[int]:
        """So many signed integers.

        Raises:
            Malformed: when there are fewer.
        """
        numbers = self.column(count)
        if isinstance(numbers, bytes):
            return [_SMALL[number] for number in numbers]
        return [(number >> 1) ^ -(number & 1) for number in numbers]

    @property
    def done(self) -> bool:
        """Whether all bytes were read."""
        return self.at == len(self.data)
