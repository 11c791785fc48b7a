"""Which rule judges which series of which station, at which level, and where none can although it should.

Pure. A level is applied only to a series of its own datum: levels of different datums never meet here.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from haihe_contract.language import Words
from haihe_contract.series import Series, parse_series

from haihe_cloud.admit.registry import Station, StationLevels

from .evaluate import Threshold
from .rule import Rule, Rules
from .words import CHINESE

_zh, _en = Words(CHINESE, "zh"), Words(CHINESE, "en")


class Judgement(msgspec.Struct, frozen=True):
    """One rule applied to one series of one station.

    Args:
        rule: which.
        series: key of the series.
        element: its element.
        datum: of the level and the series, empty where there is none.
        threshold: the level with its hysteresis and hold times.
    """

    rule: Rule
    series: str
    element: str
    datum: str
    threshold: Threshold


class AlarmProblem(msgspec.Struct, frozen=True):
    """A level that is not judged although somebody meant it to be.

    Args:
        station: whose.
        rule: which rule, or empty when all of them are meant.
        series: key of the series.
        zh: what is wrong, in Chinese.
        en: the same in English.
    """

    station: str
    rule: str
    series: str
    zh: str
    en: str


def judgements(rules: Rules, station: Station, key: str) -> list[Judgement]:
    """Every rule that judges this series."""
    series = _parsed(key)
    if series is None:
        return []
    found = (_apply(rule, station, key, series) for rule in rules.rules)
    return [each for each in found if isinstance(each, Judgement)]


def problems(rules: Rules, station: Station, keys: Iterable[str]) -> list[AlarmProblem]:
    """What cannot be judged, where the station sends series of these keys."""
    out: list[AlarmProblem] = []
    sent = [(key, series) for key in keys if (series := _parsed(key)) is not None]
    for key, series in sent:
        for rule in rules.rules:
            each = _apply(rule, station, key, series)
            if isinstance(each, AlarmProblem):
                out.append(each)
    for level in station.levels:
        if level.warning is None and level.guarantee is None:
            continue
        meant = _parsed(level.series)
        if meant is None:
            out.append(
                _problem(
                    station,
                    "",
                    level.series,
                    "the registry gives a level for {series}, which is no series key",
                    series=level.series[:80],
                )
            )
        elif sent and not any(_same_but_datum(meant, series) for _, series in sent):
            out.append(
                _problem(
                    station,
                    "",
                    level.series,
                    "the registry gives a level for {series}, but the station sends no such series: not judged",
                    series=level.series,
                )
            )
    return out


def _apply(rule: Rule, station: Station, key: str, series: Series) -> Judgement | AlarmProblem | None:
    if not rule.series.matches(series) or (rule.stations is not None and station.code not in rule.stations):
        return None
    if not isinstance(rule.raise_at, str):
        if rule.datum is not None and rule.datum != series.datum:
            return _mismatch(station, rule, key, rule.datum, series.datum)
        return Judgement(rule, key, series.element, series.datum, rule.at(rule.raise_at))
    meant = [
        (level, height)
        for level in station.levels
        if (height := _height(level, rule.raise_at)) is not None
        and (own := _parsed(level.series)) is not None
        and _same_but_datum(own, series)
    ]
    if not meant:
        return None
    for level, height in meant:
        if level.datum == series.datum:
            return Judgement(rule, key, series.element, series.datum, rule.at(height))
    return _mismatch(station, rule, key, meant[0][0].datum, series.datum)


def _height(level: StationLevels, name: str) -> float | None:
    return level.warning if name == "warning" else level.guarantee


def _same_but_datum(left: Series, right: Series) -> bool:
    return msgspec.structs.replace(left, datum="") == msgspec.structs.replace(right, datum="")


@lru_cache(maxsize=65536)
def _parsed(key: str) -> Series | None:
    try:
        return parse_series(key)
    except ValueError:
        return None


def _mismatch(station: Station, rule: Rule, key: str, level: str, own: str) -> AlarmProblem:
    sentence = "level {rule} is given in datum {level}, series {series} is measured in {own}: not judged"
    facts = {"rule": rule.name, "series": key}
    return AlarmProblem(
        station.code,
        rule.name,
        key,
        _zh(sentence, **facts, level=level or _zh("none"), own=own or _zh("none")),
        _en(sentence, **facts, level=level or _en("none"), own=own or _en("none")),
    )


def _problem(station: Station, rule: str, key: str, sentence: str, **facts: object) -> AlarmProblem:
    return AlarmProblem(station.code, rule, key, _zh(sentence, **facts), _en(sentence, **facts))
