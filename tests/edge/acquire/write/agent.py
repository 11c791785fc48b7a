"""``haihe-edge`` as processes of their own, in a folder with a site file and profiles."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Event

from tests.edge.journals import journal_in


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haihe_edge", "run", str(folder / "site.yaml"), "--lang", "en",
        stderr=subprocess.PIPE, env={**os.environ, "HAIHE_PROFILES": str(folder / "profiles")},
    )  # fmt: skip
    assert agent.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b"is measuring" not in (said := await agent.stderr.readline()):
                assert said, "the agent ended at once"
            while not (folder / "control.sock").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
        yield agent
    finally:
        if agent.returncode is None:
            agent.send_signal(signal.SIGTERM)
        await agent.wait()


async def haihe(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "haihe_edge", words[0], str(folder / "site.yaml"), *words[1:]]
    environment = {**os.environ, "HAIHE_PROFILES": str(folder / "profiles")}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    return await asyncio.to_thread(run)


def events(folder: Path) -> list[Event]:
    journal = journal_in(folder / "journal")
    try:
        everything = RangeSet.of((1, 10_000))
        bodies = [record.body for each in journal.extents() for record in journal.read(each.line, everything)]
    finally:
        journal.close()
    return [body for body in bodies if isinstance(body, Event)]
