"""What the reader of command lines says by itself is Chinese where everything else is."""

import argparse
import re
import subprocess
import sys

import pytest
from haihe_contract.command_line import speak

COMMANDS = (("haihe_edge", "check"), ("haihe_cloud", "check"), ("haihe_simulators", "world"))


def said(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 2)
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_faults_of_arguments_are_in_the_language_that_was_asked_for(command: tuple[str, str]) -> None:
    assert "用法：" in said(*command, "--help", "--lang", "zh")
    wrong = said(*command, "--no-such", "--lang", "zh")
    assert "错误：无法识别的参数：--no-such" in wrong
    assert not re.search(r"\b(usage|error|unrecognized|arguments)\b", wrong)
    english = said(*command, "--no-such", "--lang", "en")
    assert "usage: " in english
    assert "error: unrecognized arguments: --no-such" in english


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--number", "many"], "参数 --number：'many' 不是有效的 int 值"),
        (["--lane", "fast"], "参数 --lane：'fast' 不可选"),
        (["--number"], "参数 --number：须有一个取值"),
        (["--pair", "1"], "参数 --pair：须有 2 个取值"),
        ([], "缺少参数：--number"),
        (["--number", "1", "--p"], "选项 --p 不明确"),
    ],
)
def test_each_fault_of_arguments_has_its_chinese_words(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speak("zh")
    try:
        parser = argparse.ArgumentParser(prog="haihe-edge")
        parser.add_argument("--number", type=int, required=True)
        parser.add_argument("--lane", choices=("live", "alarm"))
        parser.add_argument("--pair", nargs=2)
        parser.add_argument("--period")
        with pytest.raises(SystemExit):
            parser.parse_args(words)
    finally:
        speak("en")
    assert says in capsys.readouterr().err
