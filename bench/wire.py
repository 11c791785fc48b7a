"""Bytes per reading on the wire, MQTT counted, TLS not.

    python bench/wire.py [--quick] [--json]

Twenty series of a station as they drift: levels with tide, flows, water quality, counters, states, supply; 2 % of
the readings flagged, 1 % missing. Live is one reading group a batch; backlog is an hour. The reference is the
same hour as JSON objects under zlib, the smallest of the plain forms.
"""

import json
import math
import random
import zlib
from collections.abc import Iterator

from haihe_contract import topic, wire
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, Readings, Record
from report import Figure, run

STATION, T0 = "31005650", 1_790_000_000_000
_MISSING, _SUSPECT = mark(Flag.MISSING, Reason.TIMEOUT), mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)
_KINDS = (
    [("tide", 3, 3.2)] * 2
    + [("noise", 2, 4.1)] * 4
    + [("slow", 2, 7.4), ("slow", 1, 11.3), ("slow", 0, 512), ("slow", 2, 13.6), ("slow", 3, 0.31), ("slow", 1, 17.2)]
    + [("flow", 1, 120.0)] * 2
    + [("count", 1, 1284.5)] * 3
    + [("state", 0, 1.0)] * 3
)


def groups(step_s: int, count: int, chance: random.Random) -> list[Readings]:
    """Reading groups at that step."""
    now = [start for _, _, start in _KINDS]
    out = []
    for k in range(count):
        values: list[float | None] = []
        for at, (kind, decimals, start) in enumerate(_KINDS):
            unit = 10.0**-decimals
            if kind == "tide":
                now[at] = start + 0.25 * math.sin(k * step_s / 2400) + chance.gauss(0, 0.0015)
            elif kind == "noise":
                now[at] = start + 0.1 * math.sin(k * step_s / 900) + chance.gauss(0, unit)
            elif kind == "slow":
                now[at] += chance.gauss(0, unit * 0.08) * math.sqrt(step_s)
            elif kind == "flow":
                now[at] += chance.gauss(0, 0.12) * math.sqrt(step_s) - (now[at] - start) * 0.002 * step_s
            elif kind == "count":
                now[at] += 0.03 * step_s * chance.random()
            elif chance.random() < step_s / 900:
                now[at] = 1 - now[at]
            values.append(round(now[at], decimals))
        marks = [PASS_MARK] * len(values)
        for at in range(len(values)):
            drawn = chance.random()
            if drawn < 0.01:
                values[at], marks[at] = None, _MISSING
            elif drawn < 0.03:
                marks[at] = _SUSPECT
        plain = marks.count(PASS_MARK) == len(marks)
        time_ms = T0 + k * step_s * 1000 + chance.choice((0, 0, 0, 1, 1, 2, 5))
        out.append(Readings(time_ms, 5, list(range(len(values))), values, [] if plain else marks))
    return out


def mqtt(payload: bytes, lane: int) -> int:
    """Bytes of the PUBLISH with QoS 1: fixed header, topic, packet id, property length, payload."""
    rest = 2 + len(topic.up(STATION, lane)) + 2 + 1 + len(payload)
    return 1 + (1 if rest < 128 else 2 if rest < 16384 else 3) + rest


def as_json(bodies: list[Readings]) -> int:
    """The reference."""
    rows = [{"t": b.time_ms, "v": b.values, "q": b.marks} for b in bodies]
    return len(zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 6))


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001, ARG001 - told by report.run; it is always quick
    """All figures."""
    chance = random.Random(7)
    for name, step, count in (("backlog_1min", 60, 60), ("backlog_1s", 1, 3600)):
        bodies = groups(step, count, chance)
        size = 0
        for at in range(0, count, 2000):
            records = [Record(at + n + 1, False, body) for n, body in enumerate(bodies[at : at + 2000])]
            data = wire.encode(wire.Batch(STATION, 2**63 + 5, LANE_BACKLOG, count, 1, records))
            size += mqtt(data, LANE_BACKLOG)
        readings = count * len(_KINDS)
        yield Figure(
            f"{name}_bytes_per_reading", size / readings, "bytes", as_json(bodies) / readings, "JSON with zlib"
        )
    live = []
    for number, body in enumerate(groups(1, 200, chance), start=5000):
        data = wire.encode(wire.Batch(STATION, 2**63 + 5, LANE_LIVE, number, 1, [Record(number, False, body)]))
        live.append(mqtt(data, LANE_LIVE))
    one = sum(as_json([body]) for body in groups(1, 200, chance)) / 200
    yield Figure("live_bytes_per_batch", sum(live) / len(live), "bytes for 20 readings", one, "JSON with zlib")
    yield Figure("live_bytes_per_reading", sum(live) / len(live) / len(_KINDS), "bytes")


if __name__ == "__main__":
    run("bytes per reading on the wire", measure)
