"""What instruments that speak text and those on SDI-12 have in common."""

from collections.abc import Iterable, Mapping

from haihe_contract.quality import Reason

from haihe_edge.acquire.asked_unit import AskedUnit
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.group import Sample
from haihe_edge.acquire.outage import Told

from .meaning import Value

DEAF = frozenset((Reason.TIMEOUT, Reason.CHECKSUM, Reason.DAMAGED, Reason.BUS_DOWN))
"""Failures after which nobody knows whether the instrument lives."""


class SpokenUnit(AskedUnit):
    """One instrument that says its values by name."""

    def told(self) -> list[Told]:
        """Nothing beyond what the readings say."""
        return []

    def values_of(self, values: Mapping[str, Value], points: Iterable[str], absent: Reason) -> list[Sample]:
        """The series of those points; what the instrument left out is missing for the given reason."""
        return [(number, *values.get(point, (None, absent))) for point in points for number in self.points[point]]

    def conclude(self, failure: ExchangeError | None) -> None:
        """Note how a poll ended: without failure, or with the one that says why values are missing."""
        self._ended(failure, silent=failure is not None and failure.reason in DEAF)
