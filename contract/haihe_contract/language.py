"""The words people read: English in the code, Chinese beside it.

A package keeps one table of its sentences (``words.py``); a sentence without a translation is shown in English.
"""

import os
from collections.abc import Mapping

_SENTENCES = ("why", "what")
"""Facts of these names are sentences of the table themselves: "port {port}: {why}"."""


def choose(asked: str | None) -> str:
    """The language of this run: what was asked for, else what the locale says, else Chinese."""
    if asked:
        return "en" if asked.lower().startswith("en") else "zh"
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        locale = os.environ.get(name, "")
        if locale.startswith("zh"):
            return "zh"
        if locale.startswith("en"):
            return "en"
    return "zh"


class Words:
    """Sentences in the chosen language: ``words("bus {name} is silent", name="rs485-1")``."""

    def __init__(self, chinese: Mapping[str, str], language: str) -> None:
        self.language = language
        self._chinese = chinese

    def __call__(self, sentence: str, /, **facts: object) -> str:
        """The sentence with its facts filled in; a fact ``why`` or ``what`` is a sentence too."""
        if self.language == "zh":
            sentence = self._chinese.get(sentence, sentence)
            facts.update(
                {name: self._chinese.get(str(facts[name]), facts[name]) for name in _SENTENCES if name in facts}
            )
        return sentence.format(**facts) if facts else sentence
