"""Batches as stations send them."""

from collections.abc import Iterable

from haihe_cloud.ledger.arrival import Arrival
from haihe_contract import wire
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Dictionary, Duty, Event, Gap, Opened, Readings, Record

from tests.clocks import HandClock

STATION = "31005650"
LINE = 0xFEDC_BA98_7654_3210  # uses the highest of the 64 bits
LEVEL = "water_level.main.instant.0.derived.dagu"
VOLTAGE = "supply_voltage.main.instant.0.instrument.-"
SERIES = [LEVEL, VOLTAGE]
T0 = 1_790_000_000_000


def opened(previous: int = 0, previous_last: int = 0) -> Opened:
    return Opened(T0, "boot", 1000, 5, previous, previous_last, T0 - 60_000, 1000, True, "0.1.0", "site")


def body_of(number: int) -> Body:
    """What record ``number`` of a sample line says: always the same."""
    if number == 1:
        return opened()
    if number == 2:
        return Dictionary(SERIES)
    if number == 3:
        return Duty([1000, 60_000])
    if number % 10 == 0:
        return Event(T0 + number * 1000, 5, "level_raised", 0, 4.5, {"level": "warning"})
    return Readings(T0 + number * 1000, 5, [0, 1], [round(3 + number / 1000, 3), 12.5])


def batch(
    numbers: Iterable[int],
    *,
    station: str = STATION,
    line: int = LINE,
    lane: int = 1,
    head: int | None = None,
    tail: int = 1,
    bodies: dict[int, Body] | None = None,
    volatile: bool = False,
) -> wire.Batch:
    """Records of a sample line; every batch carries its dictionary, as a station does before a receipt."""
    wanted = sorted({*numbers})
    records = [Record(n, lane == 0, (bodies or {}).get(n) or body_of(n)) for n in wanted]
    last = head if head is not None else max(wanted, default=0)
    return wire.Batch(station, line, lane, last, tail, records, volatile)


def data(numbers: Iterable[int], **how: object) -> bytes:
    """The same as bytes."""
    return wire.encode(batch(numbers, **how))  # type: ignore[arg-type]


def arrival(numbers: Iterable[int], *, received_ms: int = T0, refused: RangeSet = EMPTY, **how: object) -> Arrival:
    """The same as it comes to the ledger."""
    payload = data(numbers, **how)
    envelope = wire.read_envelope(payload)
    return Arrival(envelope, wire.open_batch(envelope), payload, received_ms, refused)


def gap(line: int, *ranges: tuple[int, int], cause: str = "damaged") -> Gap:
    return Gap(line, list(ranges), cause, T0)


class StillClock(HandClock):
    """A clock that stands at the time of the samples."""

    def __init__(self, now_ms: int = T0) -> None:
        super().__init__(now_ms)
