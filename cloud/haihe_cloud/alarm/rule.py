"""The rules file: when readings should alarm. Read from YAML, every fault at once with its place."""

import math
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from haihe_contract.document import Document, load, near, read
from haihe_contract.element import ELEMENTS
from haihe_contract.quantity import duration_ms
from haihe_contract.series import POINT_PATTERN, Series, Source, Statistic
from haihe_contract.topic import is_station

from .evaluate import Threshold

RULES_MAX = 500
HOLD_MS_MAX = 7 * 86_400_000
SILENT_MS_MIN = 1000
SILENT_RULE = "silent"
"""The rule name of silent-station alarms; no rule of the file may take it."""
REGISTRY_LEVELS = ("warning", "guarantee")
"""Levels that the registry gives per station: 警戒水位 and 保证水位 (SL 323: WRZ, GRZ)."""
_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,63}$")
_POINT = re.compile(POINT_PATTERN)


class Severity(StrEnum):
    """Colours of the flood signals (SL 758-2018), mildest first."""

    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"

    @property
    def up(self) -> "Severity":
        """One severity higher; red stays red."""
        order = list(Severity)
        return order[min(order.index(self) + 1, len(order) - 1)]


class SeriesChoice(msgspec.Struct, frozen=True):
    """Which series of every station a rule looks at; what is not said does not matter.

    Args:
        element: code of the element.
        point: measuring point.
        statistic: what the value is of its interval.
        interval: length of the interval, e.g. ``1h``.
        source: who made the value.
    """

    element: str
    point: str | None = None
    statistic: Statistic | None = None
    interval: str | None = None
    source: Source | None = None

    def matches(self, series: Series) -> bool:
        """Whether the series is one of these. The datum is another question."""
        return (
            series.element == self.element
            and self.point in (None, series.point)
            and self.statistic in (None, series.statistic)
            and (self.interval is None or duration_ms(self.interval) == series.interval_s * 1000)
            and self.source in (None, series.source)
        )


class Rule(msgspec.Struct, frozen=True):
    """When readings should alarm.

    Args:
        name: of the rule; alarms carry it.
        series: which readings.
        raise_at: value, or ``warning`` / ``guarantee`` for the station's own level in the registry.
        severity: colour of its alarms.
        title_zh: what people read.
        title_en: the same in English.
        stations: only these; all when it is left out.
        below: the bad side is the low one.
        clear_below: the alarm ends under this value.
        clear_above: the same for a rule with ``below: true``.
        clear_margin: instead: the alarm ends this far on the good side of the level.
        hold_raise: how long readings must stay beyond the level first.
        hold_clear: how long they must stay on the good side before it is over.
        datum: what ``raise_at`` is measured from; only series of this datum are judged.
    """

    name: str
    series: SeriesChoice
    raise_at: float | str
    severity: Severity
    title_zh: str = ""
    title_en: str = ""
    stations: list[str] | None = None
    below: bool = False
    clear_below: float | None = None
    clear_above: float | None = None
    clear_margin: float | None = None
    hold_raise: str = "0s"
    hold_clear: str = "10min"
    datum: str | None = None

    @property
    def level(self) -> str:
        """The kind of level: ``warning``, ``guarantee``, ``high`` or ``low``."""
        return self.raise_at if isinstance(self.raise_at, str) else "low" if self.below else "high"

    def at(self, raise_at: float) -> Threshold:
        """The threshold of this rule where its level is this value."""
        clear_at = self.clear_above if self.below else self.clear_below
        if clear_at is None:
            margin = self.clear_margin or 0.0
            # 7.5 - 0.2 is 7.3 for people; a binary remainder must not make a reading of 7.3 clear.
            clear_at = round(raise_at + margin if self.below else raise_at - margin, 9)
        return Threshold(raise_at, clear_at, self.below, duration_ms(self.hold_raise), duration_ms(self.hold_clear))


class Silent(msgspec.Struct, frozen=True):
    """When a station is silent.

    Args:
        after: how long nothing was heard; the registry's ``silent_after_s`` of a station goes before it.
        severity: colour; one above the flood alarm's when the station was last seen above a level.
        title_zh: what people read.
        title_en: the same in English.
    """

    after: str = "10min"
    severity: Severity = Severity.BLUE
    title_zh: str = "测站失联"
    title_en: str = "station silent"

    @property
    def after_ms(self) -> int:
        """The delay in milliseconds."""
        return duration_ms(self.after)


class Rules(msgspec.Struct, frozen=True):
    """A rules file."""

    rules: list[Rule]
    silent: Silent = Silent()

    def find(self, name: str) -> Rule | None:
        """The rule of that name."""
        return next((rule for rule in self.rules if rule.name == name), None)


def load_rules(path: Path) -> Rules:
    """Read a rules file.

    Raises:
        DocumentError: with every fault of the file.
    """
    return _checked(*load(path, Rules))


def read_rules(text: str, file: str = "rules.yaml") -> Rules:
    """As :func:`load_rules`, from text.

    Raises:
        DocumentError: with every fault of the text.
    """
    return _checked(*read(text, file, Rules))


def _checked(rules: Rules, document: Document) -> Rules:
    if len(rules.rules) > RULES_MAX:
        document.complain(("rules",), f"rules: {len(rules.rules)} of them, at most {RULES_MAX} are allowed")
    seen: set[str] = set()
    for at, rule in enumerate(rules.rules[:RULES_MAX]):
        path: tuple[str | int, ...] = ("rules", at)
        if rule.name in seen or rule.name == SILENT_RULE:
            document.complain((*path, "name"), f"name: {rule.name!r} is taken already")
        elif not _NAME.match(rule.name):
            document.complain(
                (*path, "name"),
                f"name: {rule.name[:70]!r} must be small letters, digits, - and _, beginning with a letter",
            )
        seen.add(rule.name)
        _check_series(rule, document, path)
        _check_level(rule, document, path)
        _check_clear(rule, document, path)
        for key, text in (("hold_raise", rule.hold_raise), ("hold_clear", rule.hold_clear)):
            _check_duration(document, (*path, key), text, 0, HOLD_MS_MAX)
        for index, code in enumerate(rule.stations or ()):
            if not is_station(code):
                document.complain(
                    (*path, "stations", index), f"stations: {code!r} is not eight digits or capital letters"
                )
    _check_duration(document, ("silent", "after"), rules.silent.after, SILENT_MS_MIN, HOLD_MS_MAX)
    document.finish()
    return rules


def _check_series(rule: Rule, document: Document, path: Sequence[str | int]) -> None:
    series = (*path, "series")
    if rule.series.element not in ELEMENTS:
        code = rule.series.element
        document.complain((*series, "element"), f"element: {code[:60]!r} is not known{near(code, ELEMENTS)}")
    for key, place, text in (("point", (*series, "point"), rule.series.point), ("datum", (*path, "datum"), rule.datum)):
        if text is not None and not _POINT.match(text):
            document.complain(place, f"{key}: {text[:60]!r} must be small letters, digits, - and _")
    if rule.series.interval is not None:
        _check_duration(document, (*series, "interval"), rule.series.interval, 0, 366 * 86_400_000)


def _check_level(rule: Rule, document: Document, path: Sequence[str | int]) -> None:
    place = (*path, "raise_at")
    if isinstance(rule.raise_at, str):
        if rule.raise_at not in REGISTRY_LEVELS:
            document.complain(
                place,
                f"raise_at: {rule.raise_at[:60]!r} is neither a number nor one of "
                f"{', '.join(REGISTRY_LEVELS)}{near(rule.raise_at, REGISTRY_LEVELS)}",
            )
        if rule.below:
            document.complain(
                (*path, "below"), "below: warning and guarantee levels are passed upwards; give a number instead"
            )
        if rule.datum is not None:
            document.complain(
                (*path, "datum"), "datum: the registry names the datum of a station's own levels; leave it out here"
            )
        return
    if not math.isfinite(rule.raise_at):
        document.complain(place, "raise_at: must be a finite number")
    known = ELEMENTS.get(rule.series.element)
    if known and math.isfinite(rule.raise_at) and not known.low <= rule.raise_at <= known.high:
        document.complain(
            place,
            f"raise_at: {rule.raise_at:g} {known.unit} can never be measured ({known.low:g} to {known.high:g})",
        )
    if rule.series.element == "water_level" and rule.datum is None:
        document.complain(
            place, 'raise_at: a level without a datum means nothing; add "datum:", for example dagu', key=True
        )


def _check_clear(rule: Rule, document: Document, path: Sequence[str | int]) -> None:
    wanted, other = ("clear_above", "clear_below") if rule.below else ("clear_below", "clear_above")
    clear_at = rule.clear_above if rule.below else rule.clear_below
    if (rule.clear_below if rule.below else rule.clear_above) is not None:
        side = "true" if rule.below else "false"
        document.complain((*path, other), f"{other}: a rule with below: {side} ends by {wanted}", key=True)
    elif (clear_at is None) == (rule.clear_margin is None):
        document.complain(
            (*path, "name"), f"{rule.name}: give one of {wanted} and clear_margin, so that it cannot flap"
        )
    if rule.clear_margin is not None and not 0 < rule.clear_margin < math.inf:
        document.complain((*path, "clear_margin"), "clear_margin: must be more than 0")
    if clear_at is None:
        return
    if isinstance(rule.raise_at, str):
        document.complain(
            (*path, wanted), f"{wanted}: stations differ in their {rule.raise_at} level; use clear_margin", key=True
        )
    elif not math.isfinite(clear_at) or not (clear_at > rule.raise_at if rule.below else clear_at < rule.raise_at):
        side = "above" if rule.below else "below"
        document.complain((*path, wanted), f"{wanted}: {clear_at:g} must lie {side} raise_at {rule.raise_at:g}")


def _check_duration(document: Document, place: tuple[str | int, ...], text: str, low: int, high: int) -> None:
    try:
        length = duration_ms(text)
    except ValueError as error:
        document.complain(place, f"{place[-1]}: {error}")
        return
    if not low <= length <= high:
        document.complain(place, f"{place[-1]}: {text} is not between {low / 1000:g} s and {high / 86_400_000:g} d")
