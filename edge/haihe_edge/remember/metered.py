"""What a metered link has carried, remembered over a restart: the deciding is in :mod:`haihe_edge.forward.budget`."""

from pathlib import Path

from haihe_edge.forward.budget import Budget, Spent
from haihe_edge.kept import Kept
from haihe_edge.site import Allowance

SAVE_SHARE = 200
"""The card is written to when one part in so many of the budget was used since; at most that much is forgotten."""


class KeptBudget:
    """The budget of one link.

    Args:
        path: its file.
        allowance: what the link may carry.
    """

    def __init__(self, path: Path, allowance: Allowance) -> None:
        self._kept = Kept(path, Spent)
        self.trouble = ""
        spent = None
        try:
            spent = self._kept.load()
        except (OSError, ValueError) as error:
            self.trouble = str(error)
        self.budget = Budget(allowance, spent)
        self._saved = self.budget.spent

    def save(self) -> None:
        """Keep it if it has changed by much.

        Raises:
            OSError: when the disk refuses.
        """
        now, saved = self.budget.spent, self._saved
        share = self.budget.allowance.bytes // SAVE_SHARE
        if now.from_ms != saved.from_ms or now.bytes - saved.bytes >= share:
            self.keep()

    def keep(self) -> None:
        """Keep it as it is.

        Raises:
            OSError: when the disk refuses.
        """
        self._kept.save(self.budget.spent)
        self._saved = self.budget.spent
