"""What a metered link has carried, remembered over a restart: the deciding is in :mod:`haihe_edge.forward.budget`."""

from pathlib import Path

from haihe_edge.forward.budget import Budget, Spent
from haihe_edge.kept import Kept
from haihe_edge.site import Allowance

SAVE_SHARE = 200
"""The card is written to when one part in so many of the budget was used since; at most that much is forgotten."""


def budget_file(directory: Path, centre: str) -> Path:
    """Where what was spent on the link to that centre is kept beside the journal."""
    return directory / f"budget-{centre}.json"


class KeptBudget:
    """The budget of one link.

    Args:
        directory: of the journal.
        centre: that the link leads to.
        allowance: what the link may carry.
    """

    def __init__(self, directory: Path, centre: str, allowance: Allowance) -> None:
        self.centre = centre
        self._kept = Kept(budget_file(directory, centre), Spent)
        self.trouble = ""
        spent = None
        try:
            spent = self._kept.load()
        except (OSError, ValueError) as error:
            self.trouble = str(error)
        self.budget = Budget(allowance, spent)
        self._saved = self.budget.spent

    @property
    def steps(self) -> tuple[int, int]:
        """The period, and how many parts of :data:`SAVE_SHARE` are used: what is worth a record when it changes."""
        spent = self.budget.spent
        return spent.from_ms, spent.bytes * SAVE_SHARE // self.budget.allowance.bytes

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
