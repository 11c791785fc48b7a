"""How the demo speaks: sentences as things happen, and one moving line on a terminal."""

import sys
from typing import TextIO

from haihe_contract.language import Words

_WIDE = 0x2E80


class Voice:
    """Tells what happens.

    Args:
        words: the language.
        out: where sentences go: standard output, or standard error beside JSON.
        quiet: nothing but errors.
        moving: whether there is a terminal for the moving line.
    """

    def __init__(self, words: Words, *, out: TextIO | None = None, quiet: bool = False, moving: bool = False) -> None:
        self.words = words
        self._out = out or sys.stdout
        self._quiet = quiet
        self._moving = moving and not quiet
        self._width = 0

    def say(self, at_s: float | None, sentence: str, /, **facts: object) -> None:
        """One sentence, with the seconds of the story in front."""
        if self._quiet:
            return
        self._wipe()
        stamp = "     " if at_s is None else f"{at_s:4.0f} s"
        print(f"{stamp}  {self.words(sentence, **facts)}", file=self._out, flush=True)

    def show(self, line: str) -> None:
        """Replace the moving line."""
        if not self._moving:
            return
        self._wipe()
        print(f"\r{line}", end="", file=self._out, flush=True)
        self._width = columns(line)

    def done(self) -> None:
        """Take the moving line away."""
        self._wipe()

    def _wipe(self) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=self._out, flush=True)
            self._width = 0


def columns(text: str) -> int:
    """Columns of a terminal that a text takes: a Chinese letter takes two."""
    return sum(2 if ord(letter) >= _WIDE else 1 for letter in text)


def bar(share: float, width: int = 24) -> str:
    """A progress bar."""
    full = round(min(1.0, max(0.0, share)) * width)
    return "█" * full + "·" * (width - full)
