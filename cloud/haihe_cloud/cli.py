"""``haihe-cloud``: the commands of the centre."""

import argparse
import asyncio
import logging
import logging.handlers
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from haihe_contract.clock import SystemClock
from haihe_contract.command_line import asked_language, printing, speak, streams
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.language import choose

from .admit.broker import write_broker_files
from .admit.pki import CA_DAYS, LEAF_DAYS, Pki
from .admit.registry import Registry, Station
from .alarm.book import AlarmBook
from .commands import backup as backup_commands
from .commands import bundle as bundle_commands
from .commands import centre, keys
from .commands import ledger as ledger_commands
from .commands import quarantine as quarantine_commands
from .commands import registry as registry_commands
from .commands import troubles as trouble_commands
from .commands.output import ASKED_WRONGLY, GOOD, WRONG, Answer, AskedWrongly, tell, tell_fault
from .commands.words import Sentences
from .database import Database, DatabaseError
from .ledger.book import Book
from .ledger.ledger import Ledger
from .ledger.quarantine import Quarantine
from .opening import open_database, open_store
from .running import alone
from .settings import Settings, load_settings
from .store.port import StoreAway

_FAULTS_BYTES = 1024 * 1024
_INTERRUPTED = 130
_ACTS = {"backup": backup_commands.act, "restore": backup_commands.act, "bundle": bundle_commands.act}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 all is well, 1 something is wrong, 2 asked wrongly."""
    streams()
    language = choose(asked_language(sys.argv[1:] if arguments is None else arguments))
    speak(language)
    words = Sentences(language)
    root = parser(words)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(root)
    try:
        asked = root.parse_args(arguments)
    except SystemExit as stop:
        return GOOD if stop.code in (0, None) else ASKED_WRONGLY
    as_json = bool(getattr(asked, "json", False))
    try:
        with printing():
            answer = _act(asked, words)
            return answer if isinstance(answer, int) else tell(answer, as_json=as_json)
    except (FieldError, DocumentError) as error:
        return tell_fault(error, words, as_json=as_json)
    except (DatabaseError, StoreAway) as error:
        what = "store" if isinstance(error, StoreAway) else "database"
        fault = FieldError(
            f"the {what} cannot be used: {error}",
            do="check that its server runs, or free space and owner of the data directory; or restore a backup",
        )
        return tell_fault(fault, words, as_json=as_json)
    except UnicodeEncodeError as error:  # a terminal that is set to GBK
        fault = AskedWrongly(
            f"{error.object[error.start : error.end]!r} is no UTF-8 text", do="set the terminal and its locale to UTF-8"
        )
        return tell_fault(fault, words, as_json=as_json)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return GOOD


def _act(asked: argparse.Namespace, words: Sentences) -> Answer | int:
    clock = SystemClock()
    if asked.command == "init":
        return keys.init(
            asked.directory,
            clock=clock,
            words=words,
            centre=asked.centre,
            hosts=asked.host,
            broker_port=asked.port,
            http_host=asked.http_host,
            http_port=asked.http_port,
            days=asked.days,
        )
    if asked.command == "pki":
        return _pki(asked, clock, words)
    if asked.command == "grafana":
        return centre.grafana(asked.directory, words)
    settings = load_settings(asked.config)
    if asked.command == "check":
        return centre.check(settings, clock, words)
    if asked.command == "run":
        from .service import Service  # the web server's parts take a second to import on a small machine

        _log_to(Path(settings.data))
        with alone(Path(settings.data)):
            service = Service(settings, clock, random.Random())  # noqa: S311 - pauses, not secrets
            return GOOD if asyncio.run(service.run()) else WRONG
    if asked.command in _ACTS:
        return _ACTS[asked.command](asked, settings, clock, words)
    database = open_database(settings)
    try:
        registry = Registry(database)
        ledger = Ledger(database, centre=settings.centre, clock=clock)
        if asked.command == "station":
            return _station(asked, registry, ledger, clock, words)
        if asked.command == "ledger":
            if asked.what == "renew":
                return centre.ledger_renew(ledger, words)
            return _ledger(asked, settings, database, registry, ledger, words)
        if asked.command == "alarm":
            book = AlarmBook(database)
            if asked.what == "answer":
                return centre.alarm_answer(book, asked.alarm, asked.who, asked.note, clock, words)
            return centre.alarm_list(book, words, every=asked.all)
        return asyncio.run(quarantine_commands.act(asked, ledger, Quarantine(database), clock, words))
    finally:
        database.close()


def _ledger(
    asked: argparse.Namespace,
    settings: Settings,
    database: Database,
    registry: Registry,
    ledger: Ledger,
    words: Sentences,
) -> Answer:
    book = Book(database, ledger)
    if asked.what == "gaps":
        return ledger_commands.gaps(ledger, book, registry, asked.station, words)
    if asked.what == "acknowledge":
        ledger_commands.must_know(ledger, registry, asked.station)
        return trouble_commands.acknowledged(
            database, book, SystemClock(), words, code=asked.station, who=asked.who, why=asked.why
        )
    if asked.what == "audit":
        store = open_store(settings)
        try:
            return ledger_commands.compare(ledger, book, store, asked.station, words)
        finally:
            store.close()
    return ledger_commands.show(ledger, book, registry, SystemClock(), words, code=asked.station, day=asked.day)


def _station(
    asked: argparse.Namespace, registry: Registry, ledger: Ledger, clock: SystemClock, words: Sentences
) -> Answer:
    if asked.what == "add":
        given = {
            "name_zh": asked.name_zh,
            "name_en": asked.name_en,
            "latitude": asked.latitude,
            "longitude": asked.longitude,
            "river": asked.river,
            "district": asked.district,
            "silent_after_s": asked.silent_after,
            "levels": centre.levels_of(asked.level) if asked.level is not None else None,
        }
        known = registry.get(asked.code) or Station(asked.code)
        station = msgspec.structs.replace(known, **{name: value for name, value in given.items() if value is not None})
        return centre.station_add(registry, station, clock.now_ms(), words)
    if asked.what == "remove":
        return centre.station_remove(registry, asked.code, words)
    if asked.what == "state":
        return centre.station_state(ledger, asked.code, words)
    if asked.what == "import":
        return registry_commands.station_import(registry, asked.file, clock, words, dry_run=asked.dry_run)
    if asked.what == "show":
        return registry_commands.station_show(registry, asked.code, words)
    return centre.station_list(registry, ledger, words)


def _pki(asked: argparse.Namespace, clock: SystemClock, words: Sentences) -> Answer:
    pki = Pki(asked.pki, clock)
    if asked.what == "init":
        pki.init(days=asked.days)
        return Answer({"ca": str(pki.ca)}, words("made  {path}", path=pki.ca))
    if asked.what == "broker":
        made = pki.broker(asked.host, days=asked.days)
        if asked.conf:
            write_broker_files(asked.conf, pki, asked.centre, port=asked.port)
        return keys.issued(made, words)
    if asked.what == "centre":
        return keys.issued(pki.centre(asked.centre, days=asked.days), words)
    if asked.what == "station":
        return keys.station_keys(pki, asked.code, asked.out, asked.days, words)
    return keys.issued(pki.make_receipt_key(), words)


def parser(words: Sentences) -> argparse.ArgumentParser:
    """All commands with their help in that language."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--lang", choices=("zh", "en"), default=argparse.SUPPRESS, help=words("language"))
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=words("print one JSON object"))
    of_centre = argparse.ArgumentParser(add_help=False, parents=[common])
    of_centre.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("HAIHE_CLOUD_CONFIG", keys.SETTINGS_NAME)),
        help=words("settings file"),
    )
    root = argparse.ArgumentParser(prog="haihe-cloud", description=words("The centre of Haihe."), parents=[common])
    top = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    init = top.add_parser(
        "init", parents=[common], help=words("make keys, broker configuration and settings of a single box")
    )
    init.add_argument("directory", type=Path, metavar="DIR", help=words("a new directory"))
    init.add_argument("--centre", default="haihe", help=words("name of this centre"))
    init.add_argument(
        "--host", action="append", default=[], help=words("name or address under which stations reach the broker")
    )
    init.add_argument("--port", type=int, default=8883, help=words("TLS port of the broker"))
    init.add_argument("--http-host", default="127.0.0.1", help=words("address of the page"))
    init.add_argument("--http-port", type=int, default=8080, help=words("port of the page"))
    init.add_argument("--days", type=int, default=LEAF_DAYS, help=words("validity of certificates in days"))

    top.add_parser("run", parents=[of_centre], help=words("run the centre"))
    top.add_parser("check", parents=[of_centre], help=words("check settings, keys, rules; start nothing"))

    station = top.add_parser("station", help=words("stations that may speak")).add_subparsers(
        dest="what", required=True
    )
    station.add_parser("list", parents=[of_centre], help=words("known and unknown stations"))
    add = station.add_parser("add", parents=[of_centre], help=words("register a station, or change it"))
    add.add_argument("code", metavar="CODE", help=words("station code"))
    add.add_argument("--name-zh", help=words("name in Chinese"))
    add.add_argument("--name-en", help=words("name in English"))
    add.add_argument("--latitude", type=float, help=words("decimal degrees"))
    add.add_argument("--longitude", type=float, help=words("decimal degrees"))
    add.add_argument("--river", help=words("the river it is at"))
    add.add_argument("--district", help=words("the district it is in"))
    add.add_argument(
        "--silent-after", type=int, metavar="SECONDS", help=words("so long without a word counts as silent (600)")
    )
    add.add_argument(
        "--level",
        action="append",
        metavar="SERIES:WARNING:GUARANTEE",
        help=words("a series with its warning and guarantee level in metres"),
    )
    remove = station.add_parser("remove", parents=[of_centre], help=words("take nothing more from a station"))
    remove.add_argument("code", metavar="CODE", help=words("station code"))
    told = station.add_parser("state", parents=[of_centre], help=words("what a new card would have to be told"))
    told.add_argument("code", metavar="CODE", help=words("station code"))
    load = station.add_parser("import", parents=[of_centre], help=words("register the stations of a file"))
    load.add_argument("file", type=Path, metavar="FILE", help=words(".csv, .xlsx or .yaml"))
    load.add_argument("--dry-run", action="store_true", help=words("only say what would change"))
    history = station.add_parser("show", parents=[of_centre], help=words("one station and how its entry has changed"))
    history.add_argument("code", metavar="CODE", help=words("station code"))

    ledger = top.add_parser("ledger", help=words("what is held, awaited and lost")).add_subparsers(
        dest="what", required=True
    )
    show = ledger.add_parser(
        "show", parents=[of_centre], help=words("what was expected on a day and has arrived, and all lines")
    )
    show.add_argument("station", nargs="?", metavar="CODE", help=words("only this station"))
    show.add_argument("--day", metavar="DATE", help=words("a day that begins at 08:00 Beijing time; today if left out"))
    gaps = ledger.add_parser("gaps", parents=[of_centre], help=words("numbers that are missing, and why"))
    gaps.add_argument("station", nargs="?", metavar="CODE", help=words("only this station"))
    audit = ledger.add_parser(
        "audit", parents=[of_centre], help=words("compare every reading of the store with the ledger")
    )
    audit.add_argument("station", nargs="?", metavar="CODE", help=words("only this station"))
    note = ledger.add_parser(
        "acknowledge",
        parents=[of_centre],
        help=words("take note of a station's troubles and losses; nothing is deleted"),
    )
    note.add_argument("station", metavar="CODE", help=words("station code"))
    note.add_argument("--who", required=True, metavar="NAME", help=words("who takes note"))
    note.add_argument("--why", default="", metavar="TEXT", help=words("what has happened, which is kept"))
    ledger.add_parser("renew", parents=[of_centre], help=words("after a restore from a backup: void older receipts"))

    alarm = top.add_parser("alarm", help=words("alarms")).add_subparsers(dest="what", required=True)
    listing = alarm.add_parser("list", parents=[of_centre], help=words("alarms that are on"))
    listing.add_argument("--all", action="store_true", help=words("ended ones too"))
    answer = alarm.add_parser("answer", parents=[of_centre], help=words("write down who has answered"))
    answer.add_argument("alarm", type=int, metavar="ALARM", help=words("number of the alarm, as list shows it"))
    answer.add_argument("--who", required=True, help=words("who has answered"))
    answer.add_argument("--note", default="", help=words("what was said"))

    bundle_commands.add_parser(top, of_centre, words)
    backup_commands.add_parsers(top, of_centre, words)
    quarantine_commands.add_parser(top, of_centre, words)
    boards = top.add_parser("grafana", parents=[common], help=words("write Grafana's dashboards and provisioning"))
    boards.add_argument("directory", type=Path, metavar="DIR", help=words("directory to write them into"))
    _pki_parser(top, common, words)
    return root


def _pki_parser(
    top: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser, words: Sentences
) -> None:
    shared = argparse.ArgumentParser(add_help=False, parents=[common])
    shared.add_argument("--pki", type=Path, default=Path("pki"), metavar="DIR", help=words("directory of the keys"))
    pki = top.add_parser("pki", help=words("certificates and keys")).add_subparsers(dest="what", required=True)
    init = pki.add_parser("init", parents=[shared], help=words("make the certificate authority"))
    init.add_argument("--days", type=int, default=CA_DAYS, help=words("validity of certificates in days"))
    broker = pki.add_parser("broker", parents=[shared], help=words("issue the broker's certificate"))
    broker.add_argument(
        "host", nargs="+", metavar="HOST", help=words("name or address under which stations reach the broker")
    )
    broker.add_argument("--conf", type=Path, metavar="DIR", help=words("write mosquitto.conf and acl there too"))
    broker.add_argument("--port", type=int, default=8883, help=words("TLS port of the broker"))
    broker.add_argument("--centre", default="haihe", help=words("name of this centre"))
    centre = pki.add_parser("centre", parents=[shared], help=words("issue this centre's certificate"))
    centre.add_argument("centre", nargs="?", default="haihe", help=words("name of this centre"))
    station = pki.add_parser("station", parents=[shared], help=words("issue a station's certificate"))
    station.add_argument("code", metavar="CODE", help=words("station code"))
    station.add_argument("--out", type=Path, metavar="DIR", help=words("put all that the station needs there"))
    for each in (broker, centre, station):
        each.add_argument("--days", type=int, default=LEAF_DAYS, help=words("validity of certificates in days"))
    pki.add_parser("receipt-key", parents=[shared], help=words("make the key that signs receipts"))


class _OneLine(logging.Formatter):
    """Log lines for people: what went wrong in one line, its trace only in the faults file."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{self.formatTime(record)} {record.levelname.lower():8}{record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r} (see faults.txt in the data directory)"
        return text


def _log_to(data: Path) -> None:
    """Lines to standard error; errors with their traces to a small file of the data directory."""
    data.mkdir(parents=True, exist_ok=True)
    lines = logging.StreamHandler()
    lines.setFormatter(_OneLine())
    faults = logging.handlers.RotatingFileHandler(
        data / "faults.txt", maxBytes=_FAULTS_BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    faults.setLevel(logging.ERROR)
    faults.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines, faults], force=True)
    for noisy in ("uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
