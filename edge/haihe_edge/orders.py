"""What people want done to an instrument: requests of ``haihe-edge write`` and ``command``, and their answers.

The same through the running agent and without one.
"""

from collections.abc import Mapping
from typing import Any

from haihe_contract.errors import FieldError

from .acquire import Acquirer


async def write(acquirer: Acquirer, request: Mapping[str, Any]) -> dict[str, Any]:
    """Set a point, or points of a group; what ``haihe-edge write --json`` prints.

    Raises:
        FieldError: when it was refused, or not obeyed.
    """
    name = str(request.get("instrument", ""))
    several = request.get("values")
    if several is None:
        several = {str(request.get("point", "")): request.get("value")}
    if not isinstance(several, Mapping):
        raise FieldError(f"{several!r} is no list of values", do="give every point with its value")
    values = {str(point): _number(value) for point, value in several.items()}
    changed = await acquirer.write(name, values, _by(request))
    rows = [
        {"point": point, "value": values[point], "before": each.before, "after": each.after}
        for point, each in changed.written.items()
    ]
    said = rows[0] if "values" not in request else {"points": rows}
    return {"instrument": name, **said, "effective": changed.effective}


async def command(acquirer: Acquirer, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a named command; what ``haihe-edge command --json`` prints.

    Raises:
        FieldError: when it was refused, or not obeyed.
    """
    name, wanted = str(request.get("instrument", "")), str(request.get("command", ""))
    sent = await acquirer.command(name, wanted, _by(request))
    return {
        "instrument": name,
        "command": wanted,
        "does": sent.command.what,
        "effective": sent.command.effective,
        "steps": [{"sent": step, "answer": answer} for step, answer in zip(sent.steps, sent.answers, strict=True)],
    }


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(f"{value!r} is no number", do="give the value in the point's unit")
    try:
        return float(value)
    except OverflowError:
        raise FieldError("that number is too large", do="give the value in the point's unit") from None


def _by(request: Mapping[str, Any]) -> str:
    return str(request.get("by", ""))[:64]
