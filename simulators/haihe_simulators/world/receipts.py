"""Receipts that a station keeps beside its journal, on a disk that may refuse."""

from collections.abc import Callable
from pathlib import Path

from haihe_edge.forward.held import Held

REFUSED_MOST = 20
"""In a row: each is tried again after a second, and hours of that would show nothing new."""


class HeldOnCard(Held):
    """The real book of a centre's receipts; its file is refused now and then while the disk refuses.

    A new epoch is always saved: it must be durable before it counts, and the account counts it when it is heard.

    Args:
        path: of its file.
        refuses: the error number with which the disk refuses now; 0 when it does not.
    """

    def __init__(self, path: Path, refuses: Callable[[], int]) -> None:
        super().__init__(path)
        self._refuses = refuses
        self._refused = 0

    def save(self) -> None:
        """Save, or be refused.

        Raises:
            OSError: when the disk refuses.
        """
        number = self._refuses() if self._epoch_saved and not self._saved else 0
        if number and self._refused < REFUSED_MOST:
            self._refused += 1
            raise OSError(number, "the simulated disk refuses", str(self._path))
        self._refused = 0
        super().save()
