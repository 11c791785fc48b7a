"""Make what compose.yaml needs and no repository may hold: keys, tokens, passwords.

Runs in the centre's image before everything else, and again at every start: what is there stays. Each service
gets a directory (a volume) with what it needs and nothing more; the certificate authority's key lies in one
that no running service sees. Directories have the same path here and in the services.

    python3 setup.py [ROOT [BROKER_PORT]]
"""

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.files import PUBLIC, SECRET, write
from haihe_cloud.admit.pki import Issued, Pki, load_receipt_key
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError

CENTRE = "haihe"
STATION = "31005650"
HEALTH = "HEALTHCK"
"""The broker's health check comes in with a certificate of its own; the registry knows no such station."""
BROKER_NAMES = ["broker", "localhost", "127.0.0.1"]
OWNERS = {
    "authority": 0,
    "broker": 10001,
    "centre": 10001,
    "station": 10001,
    "influxdb": 1000,
    "postgresql": 999,
    "grafana": 472,
}
"""Directories and the user number that each image runs as."""


def copy(source: Path, target: Path) -> None:
    """Put a file there with the mode it deserves."""
    write(target, source.read_bytes(), SECRET if source.suffix == ".key" else PUBLIC)


def secret(path: Path, text: str = "") -> str:
    """The secret in a file; a new file gets the text, or 32 random hexadecimal digits."""
    if not path.exists():
        write(path, (text or secrets.token_hex(16)).encode(), SECRET)
    return path.read_text("utf-8")


def authority(root: Path) -> Pki:
    """The certificate authority and the receipt key, whole even if a power cut left half of them."""
    pki = Pki(root / "authority", SystemClock())
    if not pki.ca.exists():
        if not (root / "broker/keys/own.pem").exists():  # nothing was issued yet: a lone key is worth nothing
            (pki.directory / "ca.key").unlink(missing_ok=True)
        pki.init()
    if not pki.receipt_key.exists():
        pki.make_receipt_key()
    public = load_receipt_key(pki.receipt_key).public_key()
    write(pki.receipt_public, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), PUBLIC)
    return pki


def keys(root: Path) -> None:
    """A certificate for each who speaks to the broker, and for the broker; the certificate last, as a seal."""
    pki = authority(root)
    for name, issue, whose in (
        ("broker/keys", "broker", BROKER_NAMES),
        ("broker/health", "station", HEALTH),
        ("centre", "centre", CENTRE),
        ("station", "station", STATION),
    ):
        folder = root / name
        if not (folder / "own.pem").exists():
            made: Issued = getattr(pki, issue)(whose)
            copy(pki.ca, folder / "ca.pem")
            copy(made.key, folder / "own.key")
            copy(made.certificate, folder / "own.pem")
    copy(pki.receipt_key, root / "centre/receipt.key")
    copy(pki.receipt_public, root / "station/receipt.pub")


def tokens(root: Path) -> None:
    """Tokens and passwords of the store, of the database, of Grafana and of the page."""
    secret(root / "centre/write.token")
    secret(root / "influxdb/admin.password")
    secret(root / "centre/influx.token", secret(root / "influxdb/admin.token"))
    secret(root / "centre/database.password", secret(root / "postgresql/haihe.password"))
    # Grafana reads as a user that may only read; see influxdb-reader.sh.
    secret(root / "grafana/influx.token", f"grafana:{secret(root / 'influxdb/grafana.password')}")
    secret(root / "grafana/admin.password")


def hand_over(root: Path) -> None:
    """Give each directory to the user of its service; needs root, and is left out without."""
    for name, owner in OWNERS.items():
        (root / name).chmod(0o700)
        if os.geteuid() == 0:
            for path in (root / name, *(root / name).rglob("*")):
                os.chown(path, owner, owner)


def main(arguments: Sequence[str]) -> int:
    """Everything, in order; safe to stop anywhere and run again."""
    root = Path(arguments[0] if arguments else "/haihe")
    port = int(arguments[1]) if len(arguments) > 1 else 8883
    try:
        for name in OWNERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        keys(root)
        # The broker's configuration names its files as the class of keys does.
        for name in ("key", "pem"):
            copy(root / f"broker/keys/own.{name}", root / f"broker/keys/broker.{name}")
        write_broker_files(root / "broker", Pki(root / "broker/keys", SystemClock()), CENTRE, port=port)
        tokens(root)
        hand_over(root)
    except FieldError as error:
        sys.stderr.write(f"{error.what}: {error.where}\n{error.do}\n")
        return 1
    sys.stdout.write("keys, tokens and passwords are in their volumes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
