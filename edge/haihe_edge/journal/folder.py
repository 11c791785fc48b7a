"""The folder of a journal: one writer, and bounds for what was set aside."""

import fcntl
import os
from pathlib import Path

from haihe_contract.errors import FieldError


def lock(directory: Path) -> int:
    """Take the folder for this process: a second agent must not open a line in the first one's journal.

    Returns:
        The descriptor that holds the lock until it is closed.

    Raises:
        FieldError: when another process has it.
        OSError: when the disk refuses.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FieldError(
            "another agent is already running for this station",
            where=str(directory),
            do="stop it first: systemctl stop haihe-edge",
        ) from None
    return descriptor


def shed_damaged(directory: Path, most_bytes: int) -> None:
    """Damaged files are kept for whoever wants to look, the newest of them, together at most so many bytes."""
    used = 0
    for path in sorted(directory.glob("*.damaged"), reverse=True):
        used += path.stat().st_size
        if used > most_bytes:
            path.unlink(missing_ok=True)
