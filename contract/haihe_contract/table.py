"""Short tables for a terminal; Chinese characters are two columns wide."""

from collections.abc import Iterable, Sequence

_BETWEEN = "  "


def width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    from unicodedata import east_asian_width  # late: a running agent draws no tables, and need not carry its own

    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> str:
    """Rows under their heads; the columns named by ``right`` are aligned to the right."""
    cells = [[str(head) for head in heads], *([str(cell) for cell in row] for row in rows)]
    widths = [max(width(line[at]) for line in cells) for at in range(len(heads))]
    to_right = set(right)
    lines = []
    for line in cells:
        parts = []
        for at, cell in enumerate(line):
            space = " " * (widths[at] - width(cell))
            parts.append(space + cell if at in to_right else cell + space)
        lines.append(_BETWEEN.join(parts).rstrip())
    return "\n".join(lines)
