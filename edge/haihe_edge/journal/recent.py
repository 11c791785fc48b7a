"""What was committed last, kept in memory: in a steady station all that is sent is sent from here."""

from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Record

_number = attrgetter("number")
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
        """The wanted records in order, or None when not all of them are kept here."""
        found = [
            record
            for commit in self._commits
            if commit[-1].number >= wanted.first and commit[0].number <= wanted.last
            for record in commit
            if record.number in wanted
        ]
        if len(found) != wanted.count():
            return None
        return sorted(found, key=_number)
