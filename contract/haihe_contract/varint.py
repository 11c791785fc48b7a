"""Little-endian base-128 integers and zigzag, with a short way for columns of small numbers."""

from collections.abc import Sequence


class Malformed(ValueError):
    """Bytes that end too early or count too far."""


def put(out: bytearray, number: int) -> None:
    """Append one non-negative integer."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def zigzag(number: int) -> int:
    """Map signed to unsigned so that small magnitudes stay small."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def unzigzag(number: int) -> int:
    """Undo :func:`zigzag`."""
    return number >> 1 if not number & 1 else -((number + 1) >> 1)


def put_signed(out: bytearray, numbers: Sequence[int]) -> None:
    """Append a column of signed integers as byte length and zigzag varints."""
    column = [n << 1 if n >= 0 else (-n << 1) - 1 for n in numbers]
    if column and max(column) < 0x80:
        put(out, len(column))
        out += bytes(column)
        return
    packed = bytearray()
    for number in column:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    put(out, len(packed))
    out += packed


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

    def signed(self, count: int) -> list[int]:
        """A column of so many signed integers.

        Raises:
            Malformed: when the column holds another number of them.
        """
        packed = self.take(self.varint())
        if len(packed) < count:
            raise Malformed(f"column of {count} numbers has only {len(packed)} bytes")
        if len(packed) == count:
            if packed and max(packed) >= 0x80:
                raise Malformed("column cut short")
            return [n >> 1 if not n & 1 else -((n + 1) >> 1) for n in packed]
        numbers: list[int] = []
        number = shift = 0
        for byte in packed:
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                numbers.append(number >> 1 if not number & 1 else -((number + 1) >> 1))
                number = shift = 0
            else:
                shift += 7
                if shift > 70:
                    raise Malformed("number too long")
        if shift or len(numbers) != count:
            raise Malformed(f"column should hold {count} numbers, holds {len(numbers)}")
        return numbers

    @property
    def done(self) -> bool:
        """Whether all bytes were read."""
        return self.at == len(self.data)
