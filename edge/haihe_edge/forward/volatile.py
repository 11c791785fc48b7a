"""What is sent from memory while the disk refuses: on a line of its own that nobody keeps a ledger of.

Nothing of it is ever receipted or freed. When the disk takes again, the same readings come by the journal's line.
"""

from collections.abc import Sequence

from haihe_contract import wire
from haihe_contract.record import LANE_ALARM, LANE_LIVE, Dictionary, Readings, Record

EVERY_MS = 3_000
"""Not more often: it is for whoever looks now, and the link is not the disk's."""
RECORDS_MAX = 64


class VolatileLine:
    """One line in memory.

    Args:
        station: our code.
        line: random, of no journal.
    """

    def __init__(self, station: str, line: int) -> None:
        self.sent = 0
        self._station, self._line = station, line
        self._head = 0
        self._shown = 0
        self._waiting: list[Record] = []

    def see(self, records: Sequence[Record]) -> bool:
        """What waits in memory now, in the order of its numbers. Whether any of it is worth sending."""
        self._waiting = worth_sending([record for record in records if record.number > self._shown])
        return bool(self._waiting)

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return bool(self._waiting)

    def next_batch(self, dictionary: Dictionary | None) -> tuple[int, bytes]:
        """Lane and bytes of what waits; it counts as sent, for it cannot be sent again."""
        records, self._waiting = self._waiting, []
        self._shown = max(self._shown, *(record.number for record in records))
        bodies = [*([dictionary] if dictionary is not None else []), *(record.body for record in records)]
        urgent = [*([False] if dictionary is not None else []), *(record.urgent for record in records)]
        numbered = [Record(self._head + 1 + at, urgent[at], body) for at, body in enumerate(bodies)]
        self._head += len(numbered)
        self.sent += len(records)
        lane = LANE_ALARM if any(urgent) else LANE_LIVE
        batch = wire.Batch(self._station, self._line, lane, self._head, self._head + 1, numbered, volatile=True)
        return lane, wire.encode(batch)


def worth_sending(records: Sequence[Record]) -> list[Record]:
    """The urgent ones and the newest of each series, the last so many."""
    newest: set[int] = set()
    seen: set[int] = set()
    for record in reversed(records):
        if type(record.body) is Readings and not seen.issuperset(record.body.series):
            seen.update(record.body.series)
            newest.add(record.number)
    return [record for record in records if record.urgent or record.number in newest][-RECORDS_MAX:]
