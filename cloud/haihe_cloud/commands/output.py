"""What a command hands back, and how it reaches people or programs."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.table import width

from .words import Sentences

GOOD, WRONG, ASKED_WRONGLY = 0, 1, 2
"""Exit codes."""


class AskedWrongly(FieldError):
    """What was typed cannot be meant; the exit code is 2."""


class Answer(NamedTuple):
    """The answer of a command.

    Args:
        data: the documented object that ``--json`` prints.
        text: for people; the last line is the verdict.
        code: exit code.
    """

    data: Mapping[str, Any]
    text: str
    code: int = GOOD


def tell(answer: Answer, *, as_json: bool) -> int:
    """Print it; the exit code."""
    text = msgspec.json.format(msgspec.json.encode(answer.data)).decode() if as_json else answer.text
    sys.stdout.write(text + "\n")
    return answer.code


def tell_fault(error: FieldError | DocumentError, words: Sentences, *, as_json: bool) -> int:
    """Print what is wrong, where, and what to do; the exit code."""
    if isinstance(error, DocumentError):
        if as_json:
            sys.stdout.write(msgspec.json.encode({"problems": msgspec.to_builtins(error.problems)}).decode() + "\n")
        else:
            lines = [f"{each.file}:{each.line}:{each.column}: {words.retell(each.what)}" for each in error.problems]
            lines.append(words("{count} faults; nothing was started", count=len(lines)))
            sys.stderr.write("\n".join(lines) + "\n")
        return ASKED_WRONGLY
    code = ASKED_WRONGLY if isinstance(error, AskedWrongly) else WRONG
    what, do = words.retell(error.what), words.retell(error.do)
    where = words.retell(error.where)
    if as_json:
        fault = {"what": what, "where": where, "do": do}
        sys.stdout.write(msgspec.json.encode(fault).decode() + "\n")
        return code
    said = [(words("where"), where)] if where else []
    said += [(words("do"), do)] if do else []
    wide = max(width(words(name)) for name in ("where", "do"))
    lines = [what, *(f"  {name}{' ' * (wide - width(name))}  {text}" for name, text in said)]
    sys.stderr.write("\n".join(lines) + "\n")
    return code
