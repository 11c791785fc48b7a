"""What a station has missed of each series, and what of it has been filled in from an instrument's memory. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from haihe_edge import limits


class Known(msgspec.Struct):
    """What is known of one series.

    Args:
        newest_ms: time of its newest value.
        gaps: silences that are not filled in yet: after the first moment, before the second.
    """

    newest_ms: int
    gaps: list[tuple[int, int]] = []


class Watched(msgspec.Struct, frozen=True):
    """One series that an instrument remembers.

    Args:
        period_ms: how often it is read, or made where only the memory tells it.
        own: only the memory tells it.
    """

    period_ms: int
    own: bool = False


class Missed:
    """Silences of the series that instruments remember.

    A series that is polled has a gap from its last value before a silence to its first one after it; an entry
    of the memory is wanted if it lies inside. A series that only the memory tells wants all that is newer than
    its newest.

    Args:
        series: by number.
        known: from before, by number.
    """

    def __init__(self, series: Mapping[int, Watched], known: Mapping[int, Known] | None = None) -> None:
        self._series = dict(series)
        self._known = {number: each for number, each in (known or {}).items() if number in self._series}
        self._looked: dict[int, int] = {}
        self._given_up: dict[int, int] = {}

    def see(self, number: int, time_ms: int) -> None:
        """A poll brought a value of that time."""
        watched = self._series.get(number)
        if watched is None or watched.own:
            return
        known = self._known.setdefault(number, Known(time_ms))
        if time_ms - known.newest_ms > watched.period_ms * 3 // 2:
            known.gaps.append((known.newest_ms, time_ms))
            if len(known.gaps) > limits.MEMORY_GAPS_MAX:
                del known.gaps[0]
                self._given_up[number] = self._given_up.get(number, 0) + 1
        known.newest_ms = max(known.newest_ms, time_ms)

    def wants(self, numbers: Iterable[int], now_ms: int) -> bool:
        """Whether a memory that tells these series has to be read."""
        return any(self._lacks(number, now_ms) for number in numbers)

    def _lacks(self, number: int, now_ms: int) -> bool:
        known, watched = self._known.get(number), self._series[number]
        if not watched.own:
            return known is not None and bool(known.gaps)
        if 0 <= now_ms - self._looked.get(number, -watched.period_ms) < watched.period_ms // limits.MEMORY_LOOKS:
            return False
        return known is None or now_ms - known.newest_ms >= watched.period_ms

    def after(self, numbers: Iterable[int]) -> int | None:
        """From when on a memory that tells these series has to be read; None for all of it."""
        earliest: list[int] = []
        for number in numbers:
            known = self._known.get(number)
            if self._series[number].own:
                if known is None:
                    return None
                earliest.append(known.newest_ms)
            elif known is not None and known.gaps:
                earliest.append(known.gaps[0][0])
        return min(earliest, default=None)

    def take(self, number: int, time_ms: int) -> bool:
        """Whether an entry of that time is wanted for that series; it is, once. Entries come oldest first."""
        known = self._known.get(number)
        if number not in self._series:
            return False
        if self._series[number].own:
            if known is not None and time_ms <= known.newest_ms:
                return False
            self._known[number] = Known(time_ms)
            return True
        for place, (after_ms, before_ms) in enumerate(known.gaps if known is not None else ()):
            if after_ms < time_ms < before_ms and known is not None:
                known.gaps[place] = (time_ms, before_ms)
                return True
        return False

    def close(self, numbers: Iterable[int], began_ms: int) -> None:
        """A memory was read to its end, from a moment on: what it did not tell of earlier silences, it never will."""
        for number in numbers:
            self._looked[number] = began_ms
            if (known := self._known.get(number)) is not None:
                known.gaps = [gap for gap in known.gaps if gap[1] > began_ms]

    def given_up(self, numbers: Iterable[int]) -> int:
        """Silences that were let go of because too many waited."""
        return max((self._given_up.get(number, 0) for number in numbers), default=0)

    def known(self) -> dict[int, Known]:
        """To be kept over a restart."""
        return {number: Known(each.newest_ms, list(each.gaps)) for number, each in self._known.items()}
