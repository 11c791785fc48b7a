"""Commands that look at a centre, or change its registry and alarms. They work while it runs."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.restore import StationStates
from haihe_contract.series import parse_series
from haihe_contract.table import table

from haihe_cloud.admit.pki import load_receipt_key
from haihe_cloud.admit.registry import Registry, Station, StationLevels
from haihe_cloud.admit.station_file import load_stations
from haihe_cloud.alarm.book import AlarmBook
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import check_database, open_rules
from haihe_cloud.settings import Settings, read_secret

from .output import GOOD, WRONG, Answer, AskedWrongly
from .words import Sentences

_EXPIRES_SOON_DAYS = 30


def station_list(registry: Registry, ledger: Ledger, words: Sentences) -> Answer:
    """Registered stations, and unknown ones that have spoken."""
    stations, unknown, heard = registry.stations(), registry.unknown(), ledger.last_heard()
    rows = [
        (
            each.code,
            each.name_zh if words.language == "zh" else each.name_en or each.name_zh,
            each.river,
            f"{each.silent_after_s} s",
            beijing(heard[each.code]) if each.code in heard else words("never"),
        )
        for each in stations
    ]
    heads = [words(head) for head in ("station", "name", "river", "silent after", "last heard")]
    text = [table(heads, rows)] if rows else []
    if unknown:
        heads = [words(head) for head in ("unknown station", "messages", "last heard")]
        text.append(table(heads, [(e.code, e.times, beijing(e.last_ms)) for e in unknown], right=[1]))
    text.append(
        words("{known} stations registered, {unknown} unknown ones have spoken", known=len(rows), unknown=len(unknown))
    )
    data = {
        "stations": [{**msgspec.to_builtins(e), "last_heard_ms": heard.get(e.code)} for e in stations],
        "unknown": msgspec.to_builtins(unknown),
    }
    return Answer(data, "\n\n".join(text))


def station_add(registry: Registry, station: Station, now_ms: int, words: Sentences) -> Answer:
    """Register a station.

    Raises:
        FieldError: when it cannot be right.
    """
    registry.add(station, now_ms)
    return Answer(
        {"station": msgspec.to_builtins(station)},
        words("station {code} is registered; what it sends next is taken", code=station.code),
    )


def station_remove(registry: Registry, code: str, words: Sentences) -> Answer:
    """Forget a station.

    Raises:
        FieldError: when it is not known.
    """
    registry.remove(code)
    return Answer(
        {"removed": code}, words("station {code} is removed; what it sent stays, what it sends is not taken", code=code)
    )


def station_state(ledger: Ledger, code: str, words: Sentences) -> Answer:
    """What a new card of a station would have to be told; ``--json`` prints the file that restores it.

    Raises:
        FieldError: when nothing is known.
    """
    states = ledger.states(code)
    if not states:
        raise FieldError(
            f"station {code} has told no state", do="haihe-cloud station list shows which stations have spoken"
        )
    rows = [(each.name, beijing(each.time_ms) if each.grade else words("time unknown")) for each in states]
    verdict = words("{count} states; --json prints what haihe-edge init --restore reads", count=len(states))
    text = table([words(head) for head in ("name", "as of")], rows) + "\n\n" + verdict
    return Answer(msgspec.to_builtins(StationStates(code, states)), text)


def levels_of(written: Sequence[str]) -> list[StationLevels]:
    """Levels of ``SERIES:WARNING:GUARANTEE``, metres; either may be left empty.

    Raises:
        AskedWrongly: when one is written otherwise.
    """
    levels = []
    for text in written:
        series, _, rest = text.partition(":")
        warning, _, guarantee = rest.partition(":")
        try:
            datum = parse_series(series).datum
            figures = [float(each) if each else None for each in (warning, guarantee)]
        except ValueError as error:
            raise AskedWrongly(
                f"{text!r} names no levels: {error}",
                where="--level",
                do="--level water_level.main.instant.0.derived.dagu:4.50:5.20",
            ) from None
        levels.append(StationLevels(series, datum, figures[0], figures[1]))
    return levels


def ledger_renew(ledger: Ledger, words: Sentences) -> Answer:
    """Mint a new epoch after a restore from a backup."""
    epoch = ledger.renew()
    return Answer(
        {"epoch": str(epoch)},
        words("epoch {epoch}: older receipts are void, stations send again what they still have", epoch=epoch),
    )


def alarm_list(book: AlarmBook, words: Sentences, *, every: bool) -> Answer:
    """Alarms that are on, or the last ones."""
    alarms = book.recent() if every else book.active()
    rows = [
        (
            alarm.id,
            alarm.station,
            alarm.rule,
            "" if alarm.threshold is None else f"{alarm.threshold:g}",
            "" if alarm.peak is None else f"{alarm.peak:g}",
            beijing(alarm.started_ms),
            words("on") if alarm.ended_ms is None else beijing(alarm.ended_ms),
            alarm.answered_by or "-",
        )
        for alarm in alarms
    ]
    heads = ("alarm", "station", "rule", "level", "peak", "started", "ended", "answered by")
    unanswered = sum(1 for alarm in alarms if alarm.ended_ms is None and not alarm.answered_by)
    text = table([words(head) for head in heads], rows, right=[0, 3, 4]) + "\n\n" if rows else ""
    verdict = words("{count} alarms are on and not answered", count=unanswered)
    data = {"alarms": msgspec.to_builtins(alarms), "unanswered": unanswered}
    return Answer(data, text + verdict, WRONG if unanswered else GOOD)


def alarm_answer(book: AlarmBook, alarm: int, who: str, note: str, clock: Clock, words: Sentences) -> Answer:
    """Write down who has answered.

    Raises:
        FieldError: when there is no such alarm.
    """
    answered = book.answer(alarm, who, note, clock.now_ms())
    return Answer({"alarm": msgspec.to_builtins(answered)}, words("alarm {id} is answered by {who}", id=alarm, who=who))


def check(settings: Settings, clock: Clock, words: Sentences) -> Answer:
    """Everything that can be known before starting: files, keys, how long certificates are valid.

    Raises:
        FieldError: for the first thing that cannot be used.
        DocumentError: with every fault of the stations or rules file.
    """
    load_receipt_key(Path(settings.receipt_key))
    stations = load_stations(Path(settings.stations)) if settings.stations else []
    rules = open_rules(settings)
    if settings.http.write_token_file:
        read_secret(settings.http.write_token_file, "the write token")
    check_database(settings)
    now = datetime.datetime.fromtimestamp(clock.now_ms() / 1000, datetime.UTC)
    rows: list[tuple[str, object]] = []
    worst = GOOD
    for path in (settings.broker.ca, settings.broker.certificate):
        days = (_certificate(Path(path)).not_valid_after_utc - now).days
        if days < _EXPIRES_SOON_DAYS:
            worst = WRONG
        rows.append((path, words("valid for {days} days", days=days)))
    if not Path(settings.broker.key).is_file():
        raise FieldError("a key is missing", where=settings.broker.key, do="haihe-cloud pki centre")
    rows.append((words("alarm rules"), len(rules.rules)))
    rows.append((words("stations in the file"), len(stations)))
    verdict = words("a certificate ends within 30 days") if worst else words("the settings can be used")
    data = {"checked": [[str(cell) for cell in row] for row in rows], "usable": worst == GOOD}
    return Answer(data, table(("", ""), rows).lstrip("\n") + "\n\n" + verdict, worst)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise FieldError(
            f"a certificate cannot be read: {error.strerror}", where=str(path), do="haihe-cloud pki centre"
        ) from None
    except ValueError:
        raise FieldError("this is no certificate in PEM form", where=str(path)) from None


def grafana(directory: Path, words: Sentences) -> Answer:
    """Write every file that Grafana is provisioned from.

    Raises:
        FieldError: when one cannot be written.
    """
    from haihe_cloud.show.grafana import write_all

    try:
        written = write_all(directory)
    except OSError as error:
        raise FieldError(
            f"the files cannot be written: {error.strerror}",
            where=str(error.filename or directory),
            do="check its owner",
        ) from None
    return Answer(
        {"written": [str(path) for path in written]},
        "\n".join([*(str(path) for path in written), words("{n} files written", n=len(written))]),
    )
