"""A centre's databases in SQLite files, copied while others write to them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from haihe_contract.errors import FieldError


def copy(source: Path, target: Path) -> int:
    """A consistent copy of a SQLite file, while others write to it; the version of its tables.

    Raises:
        FieldError: when there is nothing to copy, it is damaged, or the copy cannot be made.
    """
    if not source.is_file():
        raise FieldError("there is nothing to save", where=str(source), do="check the data directory of the settings")
    try:
        with closing(sqlite3.connect(source)) as ours, closing(sqlite3.connect(target)) as fresh:
            ours.backup(fresh)  # in one step: writers go on beside it in WAL mode
            fresh.execute("PRAGMA journal_mode=DELETE")  # one file, whole without its log
            (verdict,) = fresh.execute("PRAGMA quick_check(1)").fetchone()
            (version_of_tables,) = fresh.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise FieldError(
            f"the copy cannot be made: {error}", where=f"{source} → {target}", do="check free space and the disk"
        ) from None
    if verdict != "ok":
        raise FieldError(
            f"the database is damaged: {verdict}", where=str(source), do="restore the last backup, after copying it"
        )
    sync(target)
    return int(version_of_tables)


def epoch(path: Path) -> int:
    """The epoch of the ledger in a SQLite file, 0 where it cannot be read."""
    try:
        with closing(sqlite3.connect(path)) as ledger:
            row = ledger.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()
    except sqlite3.Error:
        return 0  # damaged: that is why it is replaced
    return int(row[0]) if row else 0


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
