"""A real PostgreSQL for tests: in a directory of its own, on a Unix socket, killed and started again at will."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "haihe"
_CONFIG = """
listen_addresses = ''
unix_socket_directories = '{directory}'
fsync = {durable}
full_page_writes = {durable}
max_connections = 60
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
wal_level = replica
max_wal_senders = 4
"""
_PATIENCE_S = 30.0
_MEMORY, _MEMORY_BYTES_MIN = Path("/dev/shm"), 1 << 30


class NoPostgresql(Exception):
    """There is no PostgreSQL on this machine; the text says what was looked for."""


def programs() -> Path:
    """The directory of initdb and postgres: the newest that Debian has installed, else the one on PATH.

    Raises:
        NoPostgresql: when there is none.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    if not found:
        raise NoPostgresql("no initdb in /usr/lib/postgresql or on PATH: the database on PostgreSQL is not tested here")
    return Path(found).resolve().parent


class Postgresql:
    """One server with its own directory; it runs as nobody where the tests run as root, because it must not be root.

    Args:
        of: the primary that this one follows as a standby; None for a new server.
        password: of its only user; None draws one.
        durable: on disk and flushed, as benchmarks need it; else as fast as it can be.
    """

    def __init__(self, of: "Postgresql | None" = None, *, password: str | None = None, durable: bool = False) -> None:
        self._programs = programs()
        # In memory where there is room; pytest's own directories are closed to other users.
        memory = not durable and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES_MIN
        self._root = Path(tempfile.mkdtemp(prefix="haihe-pg-", dir=_MEMORY if memory else None))
        self._data = self._root / "data"
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self._root, "nobody", "nogroup")
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.password: str = of.password if of else password or secrets.token_hex(8)
        self._process: subprocess.Popen[Any] | None = None
        if of is None:
            secret = self._root / "password"
            secret.write_text(self.password)
            self._run("initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", secret,
                      "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")  # fmt: skip
        else:
            self._run("pg_basebackup", "-D", self._data, "-d", of.conninfo(), "-R", "--no-sync", "-c", "fast")
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write(_CONFIG.format(directory=self._root, durable="on" if durable else "off"))
        self.start()

    @property
    def directory(self) -> str:
        """Of the socket: what stands as host in a conninfo."""
        return str(self._root)

    def conninfo(self, schema: str = "public", *more_hosts: str) -> str:
        """How to reach an area of this server, or of others besides it."""
        hosts = ",".join([self.directory, *more_hosts])
        return f"host={hosts} dbname=postgres user={USER} options='-c search_path={schema}'"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start (again) and return when it answers."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            with (self._root / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._programs / "postgres", "-D", self._data], stdout=log, stderr=log, cwd=self._root, **self._as
                )
            while self._process.poll() is None:
                try:
                    psycopg.connect(self.conninfo(), password=self.password, connect_timeout=2).close()
                except psycopg.OperationalError:
                    time.sleep(0.02)
                else:
                    return
                if time.monotonic() > end:
                    break
            if time.monotonic() > end:  # after kill -9 the children hold the memory a moment longer
                text = (self._root / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"postgres did not start:\n{text}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Orderly, without waiting for clients."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9, as a power cut does it to the process; its children follow it by themselves."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def promote(self) -> None:
        """Make this standby the primary."""
        self._run("pg_ctl", "promote", "-D", self._data, "-w", "-s")

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """A statement of the test's own."""
        with psycopg.connect(self.conninfo(), password=self.password, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """Stop it and remove all it had."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE_S)

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            capture_output=True, text=True, cwd=self._root, timeout=60,
            env={**os.environ, "PGPASSWORD": self.password}, **self._as,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
