"""Commands that make keys and the files of a new centre."""

import secrets
from pathlib import Path

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError

from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.files import SECRET, write
from haihe_cloud.admit.pki import LEAF_DAYS, Issued, Pki
from haihe_cloud.settings import is_loopback

from .output import Answer
from .words import Sentences

SETTINGS_NAME = "haihe-cloud.yaml"
_SETTINGS = """\
# The centre. Check it with: haihe-cloud check --config {name}
# Paths are relative to this file.
centre: {centre}
data: data
broker:
  host: {broker_host}
  port: {broker_port}
  ca: pki/ca.pem
  certificate: pki/centre.pem
  key: pki/centre.key
receipt_key: pki/receipt.key
store: {{kind: sqlite}}
# store: {{kind: influx, url: "http://127.0.0.1:8086", org: haihe, bucket: haihe, token_file: influx.token}}
# database: {{kind: postgresql, conninfo: "host=127.0.0.1 dbname=haihe user=haihe", password_file: database.password}}
http:
  host: {http_host}
  port: {http_port}
{token}# stations: stations.yaml   # registered at every start; `haihe-cloud station add` works too
# rules: rules.yaml         # alarm rules; left out: those that come with the program
language: {language}
"""
_TOKEN = "  write_token_file: write.token\n"  # noqa: S105 - a file name


def init(
    directory: Path,
    *,
    clock: Clock,
    words: Sentences,
    centre: str = "haihe",
    hosts: list[str] | None = None,
    broker_port: int = 8883,
    http_host: str = "127.0.0.1",
    http_port: int = 8080,
    days: int = LEAF_DAYS,
) -> Answer:
    """Make everything of a single box: keys, broker configuration, settings.

    Raises:
        FieldError: when there is a centre already, or the files cannot be written.
    """
    settings = directory / SETTINGS_NAME
    if settings.exists():
        raise FieldError("there is a centre already", where=str(settings), do="choose another directory")
    names = list(dict.fromkeys([*(hosts or []), "localhost", "127.0.0.1"]))
    pki = Pki(directory / "pki", clock)
    pki.init()
    pki.make_receipt_key()
    pki.broker(names, days=days)
    pki.centre(centre, days=days)
    conf = write_broker_files(directory / "broker", pki, centre, port=broker_port)
    token = ""
    if not is_loopback(http_host):
        token = _TOKEN
        write(directory / "write.token", (secrets.token_hex(16) + "\n").encode(), SECRET)
    text = _SETTINGS.format(
        name=SETTINGS_NAME,
        centre=centre,
        broker_host="localhost",
        broker_port=broker_port,
        http_host=http_host,
        http_port=http_port,
        token=token,
        language=words.language,
    )
    write(settings, text.encode())
    lines = [
        words("made  {path}", path=settings),
        words("next  mosquitto -c {path}", path=conf),
        words("      haihe-cloud station add 31005650 --config {path}", path=settings),
        words("      haihe-cloud pki station 31005650 --pki {path}", path=pki.directory),
        words("      haihe-cloud run --config {path}", path=settings),
    ]
    return Answer({"settings": str(settings), "broker": str(conf), "pki": str(pki.directory)}, "\n".join(lines))


def issued(made: Issued, words: Sentences) -> Answer:
    """What was made."""
    return Answer(
        {"certificate": str(made.certificate), "key": str(made.key)},
        words("made  {certificate} and {key}", certificate=made.certificate, key=made.key),
    )


def station_keys(pki: Pki, code: str, out: Path | None, days: int, words: Sentences) -> Answer:
    """Issue a station's certificate; with ``out``, put all that the station needs into that directory.

    Raises:
        FieldError: when the code cannot be one, or a file is missing or cannot be written.
    """
    made = pki.station(code, days=days)
    if out is None:
        return issued(made, words)
    parts = {
        "ca.pem": pki.ca,
        "station.pem": made.certificate,
        "station.key": made.key,
        "receipt.pub": pki.receipt_public,
    }
    for name, source in parts.items():
        if not source.is_file():
            raise FieldError("a file of the key directory is missing", where=str(source), do="haihe-cloud pki init")
        write(out / name, source.read_bytes(), SECRET if name.endswith(".key") else 0o644)
    return Answer(
        {"directory": str(out), "files": list(parts)},
        words("made  {path}: carry this directory to station {code}", path=out, code=code),
    )
