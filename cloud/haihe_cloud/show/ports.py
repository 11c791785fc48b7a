"""What this package needs of the alarm book: a sibling, so it is met here only as a port."""

from collections.abc import Sequence
from typing import Protocol


class AlarmLike(Protocol):
    """One episode; the fields that :class:`haihe_cloud.show.answers.AlarmSeen` shows."""

    @property
    def id(self) -> int:
        """Its number in the book."""
        ...

    @property
    def station(self) -> str:
        """Whose episode it is."""
        ...


class AlarmBook(Protocol):
    """The book of alarms."""

    def active(self) -> Sequence[AlarmLike]:
        """Alarms that have not ended."""
        ...

    def recent(self, most: int = 200, station: str | None = None) -> Sequence[AlarmLike]:
        """Newest first, ended ones too."""
        ...

    def sequence(self) -> int:
        """Number of the last change in the book."""
        ...

    def answer(self, alarm_id: int, /, who: str, note: str, now_ms: int) -> AlarmLike:
        """Write down who has answered.

        Raises:
            FieldError: when there is no such alarm.
        """
        ...
