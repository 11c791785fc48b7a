"""What was committed last, kept in memory: in a steady station all that is sent is sent from here."""

from collections import deque
from collections.abc import Iterator

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Record

RECORDS_MAX = 500
"""More would only be memory: what is older is read from its file."""


class Recent:
    """The newest commits of this line, whole ones, up to so many records together."""

    def __init__(self) -> None:
        self._commits: deque[list[Record]] = deque()
        self._records = 0

    def add(self, records: list[Record]) -> None:
        """A commit that has become durable."""
        self._commits.append(records)
        self._records += len(records)
        while self._records > RECORDS_MAX:
            self._records -= len(self._commits.popleft())

    def __iter__(self) -> Iterator[list[Record]]:
        return iter(self._commits)

    def read(self, wanted: RangeSet) -> list[Record] | None:
        """The wanted records in order, or None when some of them are older than what is kept."""
        if not self._commits or wanted.first < self._commits[0][0].number:
            return None
        return [record for commit in self._commits for record in commit if record.number in wanted]
