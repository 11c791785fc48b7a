"""Bytes per reading on the wire, MQTT counted, TLS not, where not said otherwise.

    python bench/wire.py [--quick] [--json]

Twenty series of a waterworks' river station as they drift: a level, flows, pressures, water quality, counters,
states, supply; 2 % of the readings flagged, 1 % missing. Live is one reading group a batch; backlog is an hour. The
reference is the same readings as JSON objects under zlib, the smallest of the plain forms.

Beside it, without a limit: the same as TLS 1.3 sends it; the first batch of a line with its opening and dictionary;
a stage at 1 Hz with waves of 1 cm; real hydrographs, where the folder ``../shared/data`` is present.
"""

import contextlib
import csv
import datetime
import json
import math
import random
import ssl
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from haihe_contract import topic, wire
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, Body, Dictionary, Opened, Readings, Record
from haihe_contract.series import Series
from report import Figure, run

STATION, LINE, T0 = "31005650", 2**63 + 5, 1_790_000_000_000
HEAD = 100_000
"""Numbers as they are after a day at one group a second."""
BATCH_RECORDS = 2000
HYDROGRAPHS = Path(__file__).parents[2] / "shared" / "data"
_MISSING, _SUSPECT = mark(Flag.MISSING, Reason.TIMEOUT), mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)
_COUNTS_PER_S = 118 / 3600

_SERIES: tuple[tuple[str, int, float], ...] = (  # how it moves, decimals, where it starts
    ("tide", 3, 3.2),  # level, m
    ("flow", 1, 120.0), ("flow", 1, 115.0),  # in and out, m³/h
    ("noise", 2, 4.1), ("noise", 2, 5.6),  # pressures, bar
    ("slow", 2, 7.42), ("slow", 3, 0.31), ("slow", 2, 0.48), ("slow", 0, 512),  # pH, turbidity, chlorine, conductivity
    ("slow", 1, 11.3), ("slow", 1, 17.2), ("slow", 0, 655),  # temperatures of water and air, redox
    ("count", 0, 1_284_532), ("count", 0, 1_190_233), ("count", 1, 88_213.4),  # volumes in and out, energy
    ("noise", 1, 14.2), ("switch", 0, 1), ("switch", 0, 0),  # current of a pump, two pumps on or off
    ("step", 0, 40), ("slow", 2, 13.6),  # valve in %, supply
)  # fmt: skip


def groups(step_s: int, count: int, chance: random.Random) -> list[Readings]:
    """Reading groups at that step."""
    now = [start for _, _, start in _SERIES]
    out = []
    for k in range(count):
        now = [
            _moved(kind, value, decimals, start, k * step_s, step_s, chance)
            for value, (kind, decimals, start) in zip(now, _SERIES, strict=True)
        ]
        values: list[float | None] = [round(v, decimals) for v, (_, decimals, _) in zip(now, _SERIES, strict=True)]
        marks = [PASS_MARK] * len(values)
        for at in range(len(values)):
            drawn = chance.random()
            if drawn < 0.01:
                values[at], marks[at] = None, _MISSING
            elif drawn < 0.03:
                marks[at] = _SUSPECT
        time_ms = T0 + k * step_s * 1000 + chance.choice((0, 0, 0, 1, 1, 2, 5))
        out.append(Readings(time_ms, 5, list(range(len(values))), values, _marks(marks)))
    return out


def _marks(marks: list[int]) -> list[int]:
    return [] if marks.count(PASS_MARK) == len(marks) else marks


def _moved(kind: str, now: float, decimals: int, start: float, at_s: int, step_s: int, chance: random.Random) -> float:
    """The value of one series after one more step."""
    digit = 10.0**-decimals
    if kind == "tide":
        return start + 0.25 * math.sin(at_s / 2400) + chance.gauss(0, 0.0015)
    if kind == "noise":
        return start + 0.1 * math.sin(at_s / 900) + chance.gauss(0, digit)
    if kind == "slow":
        return now + chance.gauss(0, 0.08 * digit) * math.sqrt(step_s)
    if kind == "flow":
        return now + chance.gauss(0, 0.12) * math.sqrt(step_s) - (now - start) * 0.002 * step_s
    if kind == "count":
        return now + _COUNTS_PER_S * step_s * (1 if decimals == 0 else 0.2)
    if chance.random() >= step_s / 900:
        return now
    return 1 - now if kind == "switch" else min(100, max(0, now + chance.choice((-5, 5))))


def waves(count: int, chance: random.Random) -> list[Readings]:
    """A stage every second: slow water, a swell of 1 cm, the millimetre of a radar."""
    out = []
    for k in range(count):
        swell = 0.01 * math.sin(k * 2 * math.pi / 4.3) * (1 + 0.4 * math.sin(k / 31))
        level = 3.2 + 0.25 * math.sin(k / 2400) + swell + chance.gauss(0, 0.001)
        out.append(Readings(T0 + k * 1000 + chance.choice((0, 0, 0, 1, 1, 2, 5)), 5, [0], [round(level, 3)]))
    return out


def hydrographs() -> Iterator[tuple[str, list[Readings]]]:
    """The real ones as they were published, one station each."""
    for path in sorted(HYDROGRAPHS.glob("usgs_skagit_2025-12/*_data.csv")):
        yield f"skagit_{path.name[:8]}", _read(path, "datetime", ("gage_height_ft", "discharge_cfs"))
    for path in sorted(HYDROGRAPHS.glob("ea_calder_2025/*-level-*.csv")):
        yield f"calder_{path.name.partition('-level')[0].lower()}", _read(path, "dateTime", ("value",))
    for path in sorted(HYDROGRAPHS.glob("poyo_2024-10-29/*.csv")):
        yield "poyo", _read(path, "Fecha", ("Caudal",))


def _read(path: Path, time: str, names: Sequence[str]) -> list[Readings]:
    found: list[Readings] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        here = [name for name in names if name in (rows.fieldnames or ())]
        for row in rows:
            moment = datetime.datetime.fromisoformat(row[time])
            time_ms = round(moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp() * 1000)
            said = [(row[name] or "").replace(",", ".") for name in here]
            values = [float(text) if text else None for text in said]
            marks = [PASS_MARK if text else _MISSING for text in said]
            found.append(Readings(time_ms, 5, list(range(len(here))), values, _marks(marks)))
    return found


def mqtt(payload: bytes, lane: int) -> bytes:
    """The PUBLISH with QoS 1: fixed header, topic, packet id, property length, payload."""
    name = topic.up(STATION, lane).encode()
    rest = len(name).to_bytes(2, "big") + name + b"\x00\x01" + b"\x00" + payload
    length, left = bytearray(), len(rest)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    length.append(left)
    return b"\x32" + bytes(length) + rest


def sent(bodies: Sequence[Body], lane: int, first: int = HEAD) -> bytes:
    """One batch as it goes to the broker."""
    records = [Record(first + n, False, body) for n, body in enumerate(bodies)]
    return mqtt(wire.encode(wire.Batch(STATION, LINE, lane, records[-1].number, 1, records)), lane)


def backlog(bodies: Sequence[Readings]) -> float:
    """Bytes per reading of these as backlog."""
    size = sum(len(sent(bodies[at : at + BATCH_RECORDS], LANE_BACKLOG)) for at in range(0, len(bodies), BATCH_RECORDS))
    return size / sum(len(body.series) for body in bodies)


def as_json(bodies: Sequence[Readings]) -> int:
    """The reference."""
    rows = [{"t": b.time_ms, "v": b.values, "q": b.marks} for b in bodies]
    return len(zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 6))


class Tls:
    """A real TLS 1.3 connection inside this process, to count what it makes of a packet."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            pem = Path(directory) / "both.pem"
            pem.write_bytes(_certificate())
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(pem)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        self._up, self._down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = client.wrap_bio(self._down, self._up)
        far = server.wrap_bio(self._up, self._down, server_side=True)
        for _ in range(3):
            for side in (self._client, far):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        self._up.read()

    def bytes_for(self, packet: bytes) -> int:
        """How many bytes go out for it."""
        self._client.write(packet)
        return len(self._up.read())


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001, ARG001 - told by report.run; it is always quick
    """All figures."""
    chance = random.Random(7)
    for name, step, count in (("1min", 60, 60), ("1s", 1, 3600)):
        bodies = groups(step, count, chance)
        reference = as_json(bodies) / count / len(_SERIES)
        yield Figure(f"backlog_{name}_bytes_per_reading", backlog(bodies), "bytes", reference, "JSON with zlib")
    live = groups(1, 1000, chance)
    packets = [sent([body], LANE_LIVE, first) for first, body in enumerate(live, start=HEAD)]
    reference = sum(as_json([body]) for body in live) / len(live)
    size = sum(map(len, packets)) / len(packets)
    yield Figure("live_bytes_per_batch", size, "bytes for 20 readings", reference, "JSON with zlib")
    yield Figure("live_bytes_per_reading", size / len(_SERIES), "bytes")
    yield Figure("live_bytes_per_batch_at_most", max(map(len, packets)), "bytes for 20 readings")
    tls = Tls()
    yield Figure("live_tls_bytes_per_batch", sum(map(tls.bytes_for, packets)) / len(packets), "bytes for 20 readings")
    beat = mqtt(wire.encode(wire.Batch(STATION, LINE, LANE_LIVE, HEAD, 1, [])), LANE_LIVE)
    yield Figure("heartbeat_bytes", len(beat), "bytes")
    yield Figure("first_batch_of_a_line_bytes", len(sent(_first(live[0]), LANE_LIVE, 1)), "bytes, 20 series named")
    yield Figure("backlog_1s_stage_with_waves_bytes_per_reading", backlog(waves(3600, chance)), "bytes")
    real = list(hydrographs())
    if not real:
        print(f"no real hydrographs: {HYDROGRAPHS} is not here", file=sys.stderr)
    for name, bodies in real:
        reference = as_json(bodies) / sum(len(body.series) for body in bodies)
        yield Figure(f"real_{name}_bytes_per_reading", backlog(bodies), "bytes", reference, "JSON with zlib")


def _first(group: Readings) -> list[Body]:
    opened = Opened(T0, "0d5f8c1e-7a3b-4c92-8e64-1b9d2f7a6c30", 81_234, 3, 2**62 + 9, 123_456, T0 - 90_000, 1000, False,
                    "0.1.0", "7c4e1f92ab30d568")  # fmt: skip
    elements = ("water_level", "flow", "water_temperature", "turbidity", "supply_voltage")
    points = ("main", "upstream", "downstream", "p1")
    return [opened, Dictionary([Series(element, point).key for element in elements for point in points]), group]


if __name__ == "__main__":
    run("bytes per reading on the wire", measure)
