"""Commands whose output goes nowhere, or to a disk that is full, say so and never show a trace."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = (
    ["haihe_edge", "profile", "list"],
    ["haihe_simulators", "river"],
    ["haihe_cloud", "check", "--config", "{tmp}/no.yaml"],
)


def ran(words: list[str], tmp_path: Path, redirect: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *(word.format(tmp=tmp_path) for word in words), "--lang", "en"]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *command], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("words", PROGRAMS[:2])
def test_an_output_that_is_full_is_said_and_no_trace_is_shown(words: list[str], tmp_path: Path) -> None:
    done = ran(words, tmp_path, ">/dev/full")
    assert done.returncode == 1
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", PROGRAMS)
def test_a_command_without_any_output_ends_as_it_would_with_one(words: list[str], tmp_path: Path) -> None:
    usual = ran(words, tmp_path, "")
    for redirect in (">&-", "2>&-", ">&- 2>&-"):
        done = ran(words, tmp_path, redirect)
        assert done.returncode == usual.returncode
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", PROGRAMS[:2])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", *words, "--lang", "en"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
