"""Child processes of the demo: started in groups of their own, killed hard or stopped softly, never left behind."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from haihe_contract.errors import FieldError

STOP_S = 15.0
"""A process that has not ended so long after SIGTERM is killed."""
_TAIL_BYTES = 2000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with_parent() -> None:
    """Let Linux end this child if the demo itself is killed hard; elsewhere nothing happens."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """One process that may be started again under the same name.

    Args:
        name: for people.
        command: with its arguments.
        log: where its output goes.
        environment: added to ours.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self.expected_down = True
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process that was started last, 0 before the first."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Start it.

        Raises:
            FieldError: when the machine cannot.
        """
        with self.log.open("ab") as out:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env={**os.environ, **self.environment},
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            except OSError as error:
                raise FieldError(
                    f"{self.name} cannot be started: {error.strerror}",
                    where=self.command[0],
                    do="install Haihe with its simulators: make install",
                ) from None
        self.expected_down = False

    async def kill(self) -> None:
        """End it as a power cut would: SIGKILL, nothing is flushed."""
        self.expected_down = True
        self._signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end; after a while, end it."""
        self.expected_down = True
        if self._process is None:
            return
        if self.running:
            with suppress(ProcessLookupError):
                self._process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_S)
        # What it may have started ends with it, even if it ended before.
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def check(self) -> None:
        """Notice a process that ended by itself.

        Raises:
            FieldError: with the end of its output.
        """
        if self.expected_down or self.running or self._process is None:
            return
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        raise FieldError(
            f"{self.name} ended by itself with code {self._process.returncode}"
            + (f", its last words: {lines[-1].strip()}" if lines else ", without a word"),
            where=str(self.log),
            do="run its command by hand: " + " ".join(self.command),
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
