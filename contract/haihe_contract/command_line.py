"""What all commands share: the language they are asked in, argparse's own words in Chinese, a line that moves."""

import argparse
import errno
import gettext
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FieldError

_CHINESE = {
    "usage: ": "用法：",
    "positional arguments": "参数",
    "options": "选项",
    "show this help message and exit": "显示本帮助后退出",
    "%(prog)s: error: %(message)s\n": "%(prog)s：错误：%(message)s\n",
    "argument %(argument_name)s: %(message)s": "参数 %(argument_name)s：%(message)s",
    "unrecognized arguments: %s": "无法识别的参数：%s",
    "the following arguments are required: %s": "缺少参数：%s",
    "one of the arguments %s is required": "须给出以下参数之一：%s",
    "not allowed with argument %s": "不能与参数 %s 同时使用",
    "ignored explicit argument %r": "不接受取值 %r",
    "expected one argument": "须有一个取值",
    "expected at most one argument": "最多一个取值",
    "expected at least one argument": "至少一个取值",
    "expected %s argument": "须有 %s 个取值",
    "expected %s arguments": "须有 %s 个取值",
    "ambiguous option: %(option)s could match %(matches)s": "选项 %(option)s 不明确，可能是 %(matches)s",
    "unexpected option string: %s": "不应有的选项：%s",
    "invalid %(type)s value: %(value)r": "%(value)r 不是有效的 %(type)s 值",
    "invalid choice: %(value)r (choose from %(choices)s)": "%(value)r 不可选（可选：%(choices)s）",
}
"""Sentences of ``argparse`` in Python 3.11; one that another version words otherwise stays English."""


_REFUSALS = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What an output says that takes no more."""


def asked_language(arguments: Sequence[str]) -> str | None:
    """What ``--lang`` says, wherever it stands: it is needed before the arguments are read, for the help itself."""
    for at, argument in enumerate(arguments):
        if argument == "--lang" and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
    return None


def streams() -> None:
    """Let a process that was started without an output print into nothing."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as it lives
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as it lives


@contextmanager
def printing() -> Iterator[None]:
    """What is printed in it is written at its end.

    Raises:
        FieldError: when the output does not take it, since its disk is full, say.
        BrokenPipeError: when nobody reads it any more.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in _REFUSALS:
            raise
        with suppress(OSError, ValueError):  # else Python tries it again at its end, and says so with a trace
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise FieldError(
            f"the output cannot be written: {error.strerror}", do="send it to a disk with room: df -h"
        ) from None


def progress(text: str) -> None:
    """The moving line of long work, on a terminal only; the empty text takes it away."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def speak(language: str) -> None:
    """Have ``argparse`` speak that language from now on, in this process.

    Args:
        language: ``zh`` or ``en``.
    """
    chinese = _CHINESE if language == "zh" else {}

    def one(text: str) -> str:
        return chinese.get(text, gettext.gettext(text))

    def one_or_more(single: str, plural: str, count: int) -> str:
        text = gettext.ngettext(single, plural, count)
        return chinese.get(text, text)

    # It asks gettext for its words, which has none, under these two names. The only other way is a compiled catalogue
    # on the disk.
    setattr(argparse, "_", one)  # noqa: B010 - the name is not declared
    setattr(argparse, "ngettext", one_or_more)  # noqa: B010
