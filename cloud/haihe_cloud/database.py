"""The centre's SQL: one file, opened once a thread, its schema brought up by numbered files."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from haihe_contract.errors import FieldError

from .connections import Connections

_BUSY_S = 30.0


class Database:
    """Ledger, arrival log, registry and alarms in SQLite (WAL, ``synchronous=FULL``: a commit is durable).

    Connections belong to their thread; :meth:`transaction` is the only way to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connections = Connections(
            path, patience_s=_BUSY_S, prepare=lambda connection: connection.execute("PRAGMA foreign_keys=ON")
        )
        self._migrate()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for reading."""
        return self._connections.mine()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit: everything inside is durable at the end, or nothing is."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled back already
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close()

    def _migrate(self) -> None:
        """Run each numbered file of ``schema/`` once, in its own transaction.

        Raises:
            FieldError: when the file was written by a newer version.
        """
        files = sorted(
            (item for item in resources.files("haihe_cloud.schema").iterdir() if item.name.endswith(".sql")),
            key=lambda item: item.name,
        )
        done = int(self.connection().execute("PRAGMA user_version").fetchone()[0])
        if done > len(files):
            raise FieldError(
                f"the database was written by a newer version (schema {done}, this version knows {len(files)})",
                where=str(self.path),
                do="install the newer version again, or restore the backup made before the upgrade",
            )
        for version, item in enumerate(files, start=1):
            if version > done:
                with self.transaction() as connection:
                    for statement in item.read_text("utf-8").split(";\n"):
                        if statement.strip():
                            connection.execute(statement)
                    connection.execute(f"PRAGMA user_version={version}")
