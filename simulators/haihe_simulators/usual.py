"""What a healthy instrument says of itself: unit codes, exponents, status words, names. Taken from its profile."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_OFF_LINE = -9999.0
_WAIT_MS = 40.0


def usual_values(document: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> dict[str, float | str]:
    """Values of the points that others depend on, so that the others have values too."""
    found: dict[str, float | str] = {}
    for point in points:
        if point.get("as") == "text":
            found[str(point["name"])] = str(point.get("example") or "SIMULATED")
    for name, value in _pairs(document, points):
        found.setdefault(name, value)
    return found


def _pairs(document: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float | str]]:
    for condition in document.get("identify") or ():
        yield from _fulfilled(condition)
    for step in document.get("measure") or ():
        if "wait_for" in step:
            yield step["wait_for"]["point"], _WAIT_MS
    for point in points:
        if scale := point.get("scale_from"):
            yield scale["point"], _exponent(scale)
        if unit := point.get("unit_from"):
            yield unit["point"], float(next(iter(unit["table"])))
        if name := point.get("sentinel_from"):
            yield name, _OFF_LINE
        for condition in point.get("valid_if") or ():
            yield from _fulfilled(condition)
        for quality in point.get("quality_from") or ():
            yield quality["point"], _good(quality)


def _fulfilled(condition: Mapping[str, Any]) -> Iterator[tuple[str, float | str]]:
    if condition.get("is"):
        yield condition["point"], condition["is"][0]
    elif "bit" in condition:
        yield condition["point"], float(1 << int(condition["bit"]))
    elif "low" in condition or "high" in condition:
        yield condition["point"], float(condition.get("low", condition.get("high")))


def _exponent(scale: Mapping[str, Any]) -> float:
    if scale.get("table"):
        return float(next(iter(scale["table"])))
    if scale.get("power") == -1:
        return 3.0 + float(scale.get("shift", 0))
    return -float(scale.get("shift", 0)) if "power" in scale else 1.0


def _good(quality: Mapping[str, Any]) -> float:
    if "best" in quality:
        return float(quality["best"])
    if quality.get("is_not"):
        return float(quality["is_not"][0])
    return float(max(quality["is"]) + 1) if 0 in (quality.get("is") or ()) else 0.0
