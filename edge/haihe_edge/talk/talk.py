"""How a command speaks to the person who typed it: language, JSON or words, colour only on a terminal."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from haihe_contract import language
from haihe_contract.document import Problem
from haihe_contract.element import element
from haihe_contract.quality import FLAG_NAMES, Flag, Reason, reasons_text
from haihe_contract.retelling import DOCUMENT_FAULTS, Retelling
from haihe_contract.series import parse_series
from haihe_contract.table import table

from .bundle_words import BUNDLE_FAULTS
from .doing_words import DOING_FAULTS
from .journal_words import JOURNAL_FAULTS
from .memory_words import MEMORY_FAULTS
from .words import CHINESE, SITE_FAULTS

OK, WRONG, ASKED_WRONGLY = 0, 1, 2
"""Exit codes: all is well, something is wrong, asked wrongly."""


class Talk:
    """How this run speaks: language, JSON or words, colour only on a terminal."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.language = language.choose(arguments.lang)
        self.say = language.Words(CHINESE, self.language)
        self.json = arguments.json
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their contents."""
        print(table([self.say(head) for head in heads], rows))

    def line(self, text: str) -> None:
        """One line."""
        print(text)

    def paint(self, text: str, *, good: bool) -> str:
        """Green or red on a terminal."""
        return f"\033[3{2 if good else 1}m{text}\033[0m" if self.colour else text

    def worry(self, text: str) -> None:
        """What a person should know beside the result."""
        print(self.paint(f"! {text}", good=False), file=sys.stderr)

    def verdict(self, text: str, *, good: bool) -> int:
        """The last line and the exit code."""
        print(self.paint(text, good=good))
        return OK if good else WRONG

    def wrongly(self, text: str) -> int:
        """It was asked wrongly: why, and the exit code."""
        if self.json:
            print(json.dumps({"what": text, "where": "", "do": ""}, ensure_ascii=False))
        else:
            print(self.paint(text, good=False), file=sys.stderr)
        return ASKED_WRONGLY

    def told(self, text: str) -> str:
        """A fault that was raised in English, in the language of the person, as far as its form is known."""
        return Retelling(DOING_FAULTS, JOURNAL_FAULTS, BUNDLE_FAULTS, CHINESE)(text) if self.language == "zh" else text

    def problem(self, problem: Problem) -> str:
        """A fault of a file with its place."""
        if self.language != "zh":
            return str(problem)
        what = Retelling(SITE_FAULTS, MEMORY_FAULTS, DOCUMENT_FAULTS)(problem.what)
        return f"{problem.file}:{problem.line}:{problem.column}: {what}"

    def name(self, key: str) -> str:
        """A series for people."""
        series = parse_series(key)
        known = element(series.element)
        name = known.zh if self.language == "zh" else known.en
        extra = [each for each in (series.point if series.point != "main" else "", series.datum) if each]
        return f"{name} ({', '.join(extra)})" if extra else name

    def value(self, key: str, value: float | None) -> str:
        """A value with its unit at the element's resolution."""
        known = element(parse_series(key).element)
        return "—" if value is None else f"{value:.{known.decimals}f} {known.unit}".strip()

    def quality(self, flag: int | None, reasons: int | None) -> str:
        """Flag and reasons in words."""
        if flag is None:
            return self.say("not read yet")
        words = FLAG_NAMES[Flag(flag)][self.language == "en"]
        why = reasons_text(Reason(reasons or 0), self.language)
        return f"{words} ({why})" if why else words

    def ago(self, then_ms: int | None, now_ms: int) -> str:
        """An age for people."""
        if not then_ms:
            return self.say("never")
        seconds = max(0, now_ms - then_ms) // 1000
        if seconds < 120:
            return self.say("{n} s ago", n=seconds)
        if seconds < 7200:
            return self.say("{n} min ago", n=seconds // 60)
        return self.say("{n} h ago", n=seconds // 3600)
