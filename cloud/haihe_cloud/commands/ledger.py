"""Commands that show the ledger's book: the day's figures, what is missing, and whether the store agrees."""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from haihe_contract.clock import Clock, beijing
from haihe_contract.command_line import progress
from haihe_contract.errors import FieldError
from haihe_contract.quality import GRADE_NAMES, Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.table import table

from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.audit import Disagreement, StationAudit, audit
from haihe_cloud.balance import StationDay, day_of, station_day
from haihe_cloud.ledger.acknowledged import Noted
from haihe_cloud.ledger.arrival import LineState
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.day import Figures
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.missing import Missing, MissingRange
from haihe_cloud.ledger.packed import line_text
from haihe_cloud.limits import IN_TIME_MS, LINES_SHOWN
from haihe_cloud.store.port import Store

from .output import GOOD, WRONG, Answer, AskedWrongly
from .troubles import acknowledged_verdict, trouble_data, troubles_table
from .words import Sentences

RANGES_SHOWN = 1000
"""Ranges of missing numbers that are printed at once; ``--json`` gives all."""


def show(
    ledger: Ledger, book: Book, registry: Registry, clock: Clock, words: Sentences, *, code: str | None, day: str | None
) -> Answer:
    """The figures of a day, the lines with what is held of them, and troubles.

    Raises:
        AskedWrongly: when the day is none.
        FieldError: when the station is not known.
    """
    now_ms = clock.now_ms()
    which = _day(day, now_ms)
    must_know(ledger, registry, code)
    known = {station.code: station for station in registry.stations()}
    stations = [known.get(code, Station(code))] if code is not None else list(known.values())
    days = [station_day(book, station, which, now_ms) for station in stations]
    lines: list[LineState] = []
    lost = awaited = known_lost = 0
    noted = book.acknowledged(code)
    for each in [code] if code else ledger.stations():
        of_station = book.all_lines(each)
        lost += sum(line.lost.count() for line in of_station)
        known_lost += sum((line.lost & noted.lost(each, line.line)).count() for line in of_station)
        awaited += sum(line.awaited.count() for line in of_station)
        lines += of_station[:LINES_SHOWN]
    troubles = book.troubles(code)
    new = [each for each in troubles if noted.of(each) is None]
    fixes = book.fixes(code) if code else []
    title = _title(which, now_ms, words)
    text = [f"{title}\n{_one_day(days[0], words) if code is not None else _all_days(days, words)}"]
    text += [_lines(lines, words)] if lines else []
    text += [_fixes(fixes, words)] if fixes else []
    text += [troubles_table(troubles, noted, words)] if troubles else []
    seen = acknowledged_verdict(len(troubles) - len(new), known_lost, words)
    text.append("\n".join([*seen, _verdict(lost - known_lost, awaited, len(new), words)]))
    data = {
        "epoch": str(ledger.epoch),
        "day": which.isoformat(),
        "days": [_day_data(each) for each in days],
        "lines": [_line_data(line, noted) for line in lines],
        "fixes": [{**fix._asdict(), "line": line_text(fix.line)} for fix in fixes],
        "troubles": [trouble_data(each, noted) for each in troubles],
        "acknowledgements": [each._asdict() for each in noted.by],
        "lost": lost,
        "lost_acknowledged": known_lost,
        "awaited": awaited,
    }
    return Answer(data, "\n\n".join(text), WRONG if lost > known_lost or new else GOOD)


def gaps(ledger: Ledger, book: Book, registry: Registry, code: str | None, words: Sentences) -> Answer:
    """Ranges of numbers that are missing, with state and cause.

    Raises:
        FieldError: when the station is not known.
    """
    must_know(ledger, registry, code)
    found: list[tuple[str, MissingRange, int | None]] = [
        (station, each, book.missing_since(station, each.line, each.first))
        for station in ([code] if code else ledger.stations())
        for each in book.missing_ranges(station)
    ]
    rows = [
        (
            station,
            line_text(each.line)[:8],
            f"{each.first}-{each.last}" if each.last > each.first else each.first,
            each.last - each.first + 1,
            words(_plain(each.state)),
            _cause(each.cause, words),
            "-" if since is None else beijing(since, seconds=False),
            "-" if each.told_ms is None else beijing(each.told_ms),
        )
        for station, each, since in found[:RANGES_SHOWN]
    ]
    heads = ("station", "line", "numbers", "count", "state", "cause", "missing since", "found out")
    text = table([words(head) for head in heads], rows, right=[3]) + "\n\n" if rows else ""
    noted = book.acknowledged(code)
    lost = known_lost = 0
    for station, each, _ in found:
        if each.state is Missing.LOST:
            lost += each.last - each.first + 1
            known_lost += (RangeSet.of((each.first, each.last)) & noted.lost(station, each.line)).count()
    count = sum(each.last - each.first + 1 for _, each, _ in found)
    seen = acknowledged_verdict(0, known_lost, words)
    verdict = words("{count} numbers are missing in {ranges} ranges, {lost} of them lost", count=count,
                    ranges=len(found), lost=lost)  # fmt: skip
    data = {
        "gaps": [
            {**each._asdict(), "line": line_text(each.line), "station": station, "since_ms": since}
            for station, each, since in found
        ],
        "count": count,
        "lost": lost,
        "lost_acknowledged": known_lost,
    }
    return Answer(data, text + "\n".join([*seen, verdict]), WRONG if lost > known_lost else GOOD)


def compare(ledger: Ledger, book: Book, store: Store, code: str | None, words: Sentences) -> Answer:
    """Compare store and ledger.

    Raises:
        FieldError: when nothing is known of the station.
    """
    stations = ledger.stations()
    if code is not None and code not in stations:
        raise FieldError(f"the ledger holds nothing of station {code}", do="haihe-cloud ledger show")
    done: list[StationAudit] = []
    for station in [code] if code else stations:
        progress(words("station {n} of {all}", n=len(done) + 1, all=1 if code else len(stations)))
        done.append(audit(book, store, station))
    progress("")
    rows = [
        (
            each.station,
            line_text(line.line)[:8],
            line.held,
            line.records,
            sum(line.rows_by_day.values()),
            line.unproven,
            sum(1 for found in each.disagreements if found.line == line.line),
        )
        for each in done
        for line in each.lines
    ]
    heads = ("station", "line", "held", "groups", "readings", "unproven", "disagreements")
    text = [table([words(head) for head in heads], rows, right=range(2, 7))] if rows else []
    differing = [(each.station, found) for each in done for found in each.disagreements]
    if differing:
        text.append(_disagreements(differing, words))
    count = len(differing) + sum(each.more for each in done)
    if count:
        text.append(words("store and ledger disagree in {count} places", count=count))
    else:
        text.append(words("store and ledger agree"))
    data = {"stations": [_audit_data(each) for each in done], "disagreements": count}
    return Answer(data, "\n\n".join(text), WRONG if count else GOOD)


def must_know(ledger: Ledger, registry: Registry, code: str | None) -> None:
    """Nothing, where a station is registered or known to the ledger.

    Raises:
        FieldError: when it is neither.
    """
    if code is not None and registry.get(code) is None and not ledger.lines(code, 1):
        raise FieldError(f"station {code} is not registered", do="haihe-cloud station list")


def _day(text: str | None, now_ms: int) -> datetime.date:
    if text is None:
        return day_of(now_ms)
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise AskedWrongly(
            f"{text!r} is no date", where="--day", do="write for example 2026-05-01; a day begins at 08:00 Beijing time"
        ) from None


def _title(day: datetime.date, now_ms: int, words: Sentences) -> str:
    judged_ms = now_ms - IN_TIME_MS
    if day_of(judged_ms) != day:
        return words("day {day}, from 08:00 Beijing time", day=day.isoformat())
    return words(
        "day {day}, from 08:00 Beijing time until {until}, ten minutes ago",
        day=day.isoformat(),
        until=beijing(judged_ms, seconds=False)[-5:],
    )


def _all_days(days: Sequence[StationDay], words: Sentences) -> str:
    rows = []
    for each in days:
        total = each.total
        rows.append(
            (
                each.station,
                total.expected if each.known else "-",
                total.arrived,
                _percent(each.arrival_rate),
                _share(total.in_time, total.expected),
                _share(total.valid, total.valued),
                _missing(total, words) if each.valid else words("not in service"),
            )
        )
    heads = [words(head) for head in ("station", "expected", "arrived", "arrival", "in time", "valid", "missing")]
    return table(heads, rows, right=range(1, 6))


def _one_day(day: StationDay, words: Sentences) -> str:
    rows = [_series_row(key, figures, words) for key, figures in sorted(day.series.items())]
    if not day.valid:
        return words("not in service")
    if not day.known:
        return words(
            "the station has not said yet what it measures: nothing can be counted"
            if day.heard
            else "the station never said what it measures; nothing has arrived: 0 %"
        )
    rows.append(_series_row(words("all"), day.total, words))
    heads = [words(head) for head in ("series", "expected", "arrived", "arrival", "in time", "valid", "missing")]
    return table(heads, rows, right=range(1, 6))


def _series_row(key: str, figures: Figures, words: Sentences) -> tuple[object, ...]:
    return (
        key,
        figures.expected,
        figures.arrived,
        _share(figures.arrived, figures.expected),
        _share(figures.in_time, figures.expected),
        _share(figures.valid, figures.valued),
        _missing(figures, words),
    )


def _missing(figures: Figures, words: Sentences) -> str:
    parts = []
    for (state, cause), count in sorted(figures.missing.items(), key=lambda item: -item[1]):
        named = f" ({_cause(cause, words)})" if cause else ""
        parts.append(f"{count} {words(_plain(state))}{named}")
    return ", ".join(parts) or "-"


def _plain(state: Missing) -> str:
    return state.replace("_", " ")


def _cause(cause: str, words: Sentences) -> str:
    return words(cause) if cause else "-"


def _share(part: int, whole: int) -> str:
    return _percent(part / whole if whole else None)


def _percent(rate: float | None) -> str:
    """Rounded down, so that 100 % means all."""
    return "-" if rate is None else f"{int(rate * 1000) / 10:.1f} %"


def _lines(lines: Iterable[LineState], words: Sentences) -> str:
    rows = [
        (
            line.station,
            line_text(line.line)[:8],
            line.head,
            line.held.count(),
            line.awaited.count(),
            line.gaps.count(),
            line.refused.count(),
            line.lost.count(),
            beijing(line.last_ms),
        )
        for line in lines
    ]
    heads = ("station", "line", "records", "held", "awaited", "gaps", "refused", "lost", "last heard")
    return table([words(head) for head in heads], rows, right=range(2, 8))


def _fixes(fixes: Iterable[Any], words: Sentences) -> str:
    rows = [
        (
            fix.boot[:8],
            beijing(fix.offset_ms),
            f"±{fix.error_ms} ms",
            GRADE_NAMES[Grade(fix.grade)][words.language != "zh"],
            beijing(fix.time_ms),
            words("used") if fix.used else words("kept"),
        )
        for fix in fixes
    ]
    return table([words(head) for head in ("boot", "began", "error", "clock", "found out", "used")], rows)


def _verdict(lost: int, awaited: int, troubles: int, words: Sentences) -> str:
    if lost:
        return words("{count} records are neither here, nor at the station, nor explained", count=lost)
    if troubles:
        return words("{count} troubles with numbers: a card was rolled back or cloned, or worse", count=troubles)
    if awaited:
        return words("{count} records are still at the stations; nothing is lost", count=awaited)
    return words("everything the stations have recorded is here or explained")


def _disagreements(found: Iterable[tuple[str, Disagreement]], words: Sentences) -> str:
    rows = [
        (
            station,
            line_text(each.line)[:8],
            f"{each.first}-{each.last}" if each.last > each.first else each.first,
            words(f"readings {each.kind}"),
            "-" if each.time_ms is None else beijing(each.time_ms),
        )
        for station, each in found
    ]
    return table([words(head) for head in ("station", "line", "numbers", "disagreement", "time")], rows)


def _day_data(day: StationDay) -> dict[str, Any]:
    return {
        "station": day.station,
        "day": day.day.isoformat(),
        "valid": day.valid,
        "known": day.known,
        "arrival_rate": day.arrival_rate,
        "total": _figures_data(day.total),
        "series": {key: _figures_data(figures) for key, figures in day.series.items()},
    }


def _figures_data(figures: Figures) -> dict[str, Any]:
    missing = [
        {"state": str(state), "cause": cause, "count": count} for (state, cause), count in figures.missing.items()
    ]
    return {**figures._asdict(), "missing": missing}


def _line_data(line: LineState, noted: Noted) -> dict[str, object]:
    return {
        "station": line.station,
        "line": line_text(line.line),
        "head": line.head,
        "tail": line.tail,
        "gone": line.gone,
        "held": line.held.ranges,
        "refused": line.refused.ranges,
        "gaps": line.gaps.ranges,
        "awaited": line.awaited.ranges,
        "lost": line.lost.ranges,
        "lost_acknowledged": (line.lost & noted.lost(line.station, line.line)).ranges,
        "first_ms": line.first_ms,
        "last_ms": line.last_ms,
    }


def _audit_data(done: StationAudit) -> dict[str, Any]:
    return {
        "station": done.station,
        "volatile_readings": done.volatile,
        "lines": [
            {
                **line._asdict(),
                "line": line_text(line.line),
                "rows_by_day": {day_of(day * 86_400_000).isoformat(): n for day, n in sorted(line.rows_by_day.items())},
            }
            for line in done.lines
        ],
        "disagreements": [{**each._asdict(), "line": line_text(each.line)} for each in done.disagreements],
        "more": done.more,
    }
