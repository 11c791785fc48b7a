"""A centre's database on a PostgreSQL server, dumped and loaded with the server's own programs."""

import os
import shutil
import subprocess
from pathlib import Path

from haihe_contract.errors import FieldError

from .database import our_tables
from .opening import ask_server, password_of
from .settings import PostgresqlDatabase

DUMP = "haihe.pgdump"
_OURS = (
    "SELECT string_agg(oid::text, ',') FROM pg_catalog.pg_class WHERE relkind='r'"
    " AND relnamespace=current_schema()::regnamespace AND relname IN ({})"
)
_STILL_THERE = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_catalog.pg_class WHERE oid IN ({})"
"""Of these tables by number: what a dump brings is made anew, and has another one."""


def dump(chosen: PostgresqlDatabase, target: Path) -> None:
    """Dump the schema that the centre works in, consistent while it runs.

    Raises:
        FieldError: when pg_dump is not installed or fails.
    """
    schema = _schema(chosen)
    _run(chosen, "pg_dump", f"--dbname={chosen.conninfo}", "--format=custom", f"--schema={schema}",
         "--no-owner", "--no-privileges", f"--file={target}")  # fmt: skip
    target.chmod(0o600)


def load(chosen: PostgresqlDatabase, source: Path) -> None:
    """Put a dump in place of the centre's tables, all of it or nothing.

    Tables of ours that the dump does not have go after it: a later version made them, and its upgrade would make them
    again. A restore that was killed before that is repeated.

    Raises:
        FieldError: when pg_restore or psql is not installed or fails.
    """
    schema = _schema(chosen)
    before = ask_server(chosen, _OURS.format(", ".join(f"'{name}'" for name in our_tables())))
    _run(chosen, "pg_restore", f"--dbname={chosen.conninfo}", f"--schema={schema}", "--clean", "--if-exists",
         "--no-owner", "--no-privileges", "--single-transaction", str(source))  # fmt: skip
    left = ask_server(chosen, _STILL_THERE.format(before)) if before else None
    if left:
        _run(chosen, "psql", f"--dbname={chosen.conninfo}", "--no-psqlrc", f"--command=DROP TABLE {left}")


def in_use(chosen: PostgresqlDatabase) -> bool:
    """Whether the database has tables of a centre already.

    Raises:
        FieldError: when it cannot be reached.
    """
    there = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname=current_schema() AND tablename='meta'"
    return bool(ask_server(chosen, there))


def epoch(chosen: PostgresqlDatabase) -> int:
    """The epoch of the ledger there, 0 where there is none.

    Raises:
        FieldError: when it cannot be reached.
    """
    return int(str(ask_server(chosen, "SELECT COALESCE(MAX(value), 0) FROM meta WHERE name='epoch'")))


def schema(chosen: PostgresqlDatabase) -> int:
    """Which version of the tables is there.

    Raises:
        FieldError: when it cannot be reached.
    """
    return int(str(ask_server(chosen, "SELECT COALESCE(MAX(value), 0) FROM meta WHERE name='schema'")))


def _schema(chosen: PostgresqlDatabase) -> str:
    return str(ask_server(chosen, "SELECT current_schema()"))


def _run(chosen: PostgresqlDatabase, program: str, *words: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise FieldError(
            f"{program} is not installed", where="PATH", do="apt-get install postgresql-client, of the server's version"
        )
    password = password_of(chosen)
    environment = {**os.environ, **({} if password is None else {"PGPASSWORD": password})}
    done = subprocess.run(  # noqa: S603 - our own words
        [path, *words, "--no-password"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise FieldError(
            f"{program} has failed: {said[-1] if said else done.returncode}",
            where="database.conninfo of the settings",
            do="its version must be that of the server, or newer",
        )
