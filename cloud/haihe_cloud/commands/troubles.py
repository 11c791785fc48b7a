"""Troubles with a station's numbers and losses: how they are shown, and how somebody takes note of them."""

from collections.abc import Iterable

from haihe_contract.clock import Clock, beijing
from haihe_contract.table import table

from haihe_cloud.database import Database
from haihe_cloud.ledger.acknowledged import Noted, acknowledge
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.missing import Trouble
from haihe_cloud.ledger.packed import line_text

from .output import Answer
from .words import Sentences

_SHOWN = 1000
"""Troubles that are printed at once; ``--json`` gives all."""


def acknowledged(
    database: Database, book: Book, clock: Clock, words: Sentences, *, code: str, who: str, why: str
) -> Answer:
    """Take note of all troubles and losses of a station that are known now.

    Raises:
        FieldError: when nobody is named, or the words are too many.
    """
    taken = acknowledge(
        database, code, book.troubles(code), book.all_lines(code), who=who, why=why, now_ms=clock.now_ms()
    )
    noted = book.acknowledged(code)
    troubles, lost = (taken.troubles, taken.lost) if taken else ([], {})
    data = {
        "acknowledgement": taken.by._asdict() if taken else None,
        "troubles": [trouble_data(each, noted) for each in troubles],
        "lost": [{"line": line_text(line), "numbers": numbers.ranges} for line, numbers in lost.items()],
    }
    text = [troubles_table(troubles, noted, words)] if troubles else []
    if taken:
        counts = {"troubles": len(troubles), "lost": sum(numbers.count() for numbers in lost.values())}
        text.append(words("{who} has taken note of {troubles} troubles and {lost} lost records", who=taken.by.who,
                          **counts))  # fmt: skip
    else:
        text.append(words("there is nothing new to take note of"))
    return Answer(data, "\n\n".join(text))


def troubles_table(troubles: Iterable[Trouble], noted: Noted, words: Sentences) -> str:
    """Those that nobody has taken note of first."""
    rows = []
    for each in sorted(troubles, key=lambda each: noted.of(each) is not None)[:_SHOWN]:
        by = noted.of(each)
        rows.append(
            (
                each.station,
                line_text(each.line)[:8],
                each.number,
                words(each.kind),
                ", ".join(f"{words(name)} {value}" for name, value in each.detail.items()),
                beijing(each.received_ms),
                f"{beijing(by.time_ms, seconds=False)} {by.who}" if by else "-",
            )
        )
    heads = ("station", "line", "number", "trouble", "facts", "found out", "acknowledged")
    return table([words(head) for head in heads], rows, right=[2])


def acknowledged_verdict(troubles: int, lost: int, words: Sentences) -> list[str]:
    """What is there and somebody has taken note of; nothing, where there is none."""
    if not troubles and not lost:
        return []
    return [words("{troubles} troubles and {lost} lost records are acknowledged", troubles=troubles, lost=lost)]


def trouble_data(trouble: Trouble, noted: Noted) -> dict[str, object]:
    """A trouble, and which acknowledgement covers it."""
    by = noted.of(trouble)
    return {**trouble._asdict(), "line": line_text(trouble.line), "acknowledgement": by.id if by else None}
