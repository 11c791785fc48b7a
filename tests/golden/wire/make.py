"""How the golden samples of the wire were made. They are frozen: this makes missing ones and changes none.

python tests/golden/wire/make.py
"""

import json
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract import receipt, wire
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.record import (
    LANE_ALARM,
    LANE_BACKLOG,
    LANE_LIVE,
    LANE_NAMES,
    Body,
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    Readings,
    Record,
    SeriesSummary,
    State,
    Summary,
    TimeFix,
    Unread,
)

HERE = Path(__file__).parent / f"v{wire.VERSION}"
STATION, LINE, T0 = "31005650", 0xFEDC_BA98_7654_3210, 1_785_542_400_000
KEYS = [
    "water_level.main.instant.0.derived.dagu",
    "supply_voltage.main.instant.0.instrument.-",
    "period_rain.main.total.300.instrument.-",
    "flow.main.instant.0.derived.-",
]
MISSING, SUSPECT = mark(Flag.MISSING, Reason.TIMEOUT), mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def as_said(batch: wire.Batch, codec: int) -> dict[str, Any]:
    """A batch of the product in the words of docs/reference/wire.md."""
    bodies = [record.body for record in batch.records]

    def names_series(body: Body) -> bool:
        return isinstance(body, Readings) or (isinstance(body, Event) and body.series >= 0)

    brings = any(isinstance(body, Dictionary) for body in bodies)
    return {
        "station": batch.station,
        "line": f"{batch.line:016x}",
        "lane": LANE_NAMES[batch.lane],
        "volatile": batch.volatile,
        "dictionary_needed": any(map(names_series, bodies)) and not brings,
        "head": batch.head,
        "tail": batch.tail,
        "codec": codec,
        "records": [{"number": each.number, "urgent": each.urgent, **_said(each.body)} for each in batch.records],
    }


def _said(body: Body) -> dict[str, Any]:
    if isinstance(body, Unread):
        return {"unread": body.data.hex()}
    if not isinstance(body, Readings):
        return {"record": msgspec.msgpack.decode(msgspec.msgpack.encode(body))}
    marks = body.marks or [1] * len(body.series)
    return {"time_ms": body.time_ms, "grade": body.grade, "series": body.series, "values": body.values, "marks": marks}


def opened() -> Opened:
    return Opened(
        T0,
        "5ad3c1f0",
        81_234,
        3,
        2**63 + 7,
        4711,
        T0 - 60_000,
        1000,
        False,
        "1.0.0",
        "c0ffee",
        [(2**63 + 7, 1, 5120), (77, 4000, 4001)],
        3,
    )


def drifting(count: int) -> list[Body]:
    """Reading groups of two shapes, with flagged and missing readings."""
    out: list[Body] = []
    for k in range(count):
        if k % 5 == 4:
            out.append(Readings(T0 + k * 60_000 + 7, 6, [2, 3], [k * 7 % 3 / 2, 120.0 + k]))
            continue
        level: float | None = round(3.4 + k / 400 + (k * 7919 % 11 - 5) / 1000, 3)
        marks = [1, 1]
        if k % 17 == 3:
            level, marks = None, [MISSING, 1]
        elif k in (20, 21, 22):
            marks = [SUSPECT, 1]
        out.append(Readings(T0 + k * 60_000, 6, [0, 1], [level, 12.6], marks if marks != [1, 1] else []))
    return out


def batch(lane: int, bodies: dict[int, Body], **more: Any) -> wire.Batch:
    urgent = more.pop("urgent", ())
    records = [Record(number, number in urgent, body) for number, body in sorted(bodies.items())]
    last = records[-1].number if records else 0
    line, head, tail = more.pop("line", LINE), more.pop("head", last), more.pop("tail", 1)
    return wire.Batch(more.pop("station", STATION), line, lane, head, tail, records, more.pop("volatile", False))


def samples() -> dict[str, wire.Batch]:
    """Every kind of record, codec, lane and column."""
    lowest, highest = (T0 + 60_000, 3.402, 1, 6), (T0 + 120_000, 4.517, SUSPECT, 6)
    summary = SeriesSummary(KEYS[0], 58, 2, 3.75, lowest, highest, T0, T0 + 3_540_000)
    plain = Readings(T0, 5, [0, 1], [3.412, 12.5])
    kinds: dict[int, Body] = {
        1: opened(),
        2: Dictionary(KEYS),
        3: Duty([60_000, 60_000, 300_000, 0]),
        4: plain,
        5: Event(T0, 5, "level_raised", 0, 4.5, {"level": "warning", "threshold": 4.5}),
        6: Event(T0 + 1, 5, "stopped"),
        7: Gap(2**63 + 7, [(12, 40), (44, 44)], "no_space", T0 + 2),
        8: Summary(LINE, [(100, 159)], [summary], True, T0 + 3),
        9: TimeFix("5ad3c1f0", 1_785_542_318_766, 350, 5, T0 + 4),
        10: State("counter rain.main", {"value": 1284.5, "day_ms": T0}, T0 + 5, 5),
    }
    columns: dict[int, Body] = {
        20: Readings(T0, 6, [0, 1, 2, 3], [0.1 + 0.2, -12.5, 0.0, 1e300]),
        21: Readings(T0 + 1000, 6, [0, 1, 2, 3], [1 / 3, -12.25, 0.001, -0.0625]),
        22: Readings(T0 + 3000, 0, [3, 0], [2.0**60, 5.0]),
        25: Readings(T0 + 3500, 1, [1000, 999], [-0.000000001, 123456.789]),
    }
    flagged: dict[int, Body] = {
        30: Readings(T0, 5, [0, 1, 2, 3], [3.4, None, 0.5, None], [1, MISSING, SUSPECT, MISSING]),
        31: Readings(T0 + 1000, 5, [0, 1, 2, 3], [3.401, None, 0.5, 118.0], [1, MISSING, SUSPECT, 1]),
        32: Readings(T0 + 2000, 5, [0, 1, 2, 3], [None, None, None, None], [MISSING] * 4),
    }
    future: dict[int, Body] = {
        40: Readings(T0, 5, [0], [3.4]),
        41: Unread(msgspec.msgpack.encode([77, "of a newer station", {"a": 1}])),
        42: Duty([1000]),
    }
    memory: dict[int, Body] = {1: Dictionary(KEYS), 88: Readings(T0, 5, [0, 1], [5.31, 11.9])}
    backlog = {2: Dictionary(KEYS), **dict(enumerate(drifting(60), start=500))}
    return {
        "live_plain": batch(LANE_LIVE, {123_456: plain}),
        "live_every_kind_of_record": batch(LANE_LIVE, kinds),
        "alarm_urgent": batch(LANE_ALARM, {7: kinds[4], 8: kinds[5]}, urgent=(7, 8), head=9),
        "backlog_compressed": batch(LANE_BACKLOG, backlog, head=90_000, tail=400),
        "columns_of_every_scale": batch(LANE_BACKLOG, columns, station="0Z09AZ00"),
        "flagged_and_missing": batch(LANE_LIVE, flagged),
        "kind_of_the_future": batch(LANE_LIVE, future),
        "heartbeat": batch(LANE_LIVE, {}, head=123_456, tail=100_001),
        "heartbeat_before_the_first_record": batch(LANE_LIVE, {}, tail=0),
        "volatile": batch(LANE_LIVE, memory, line=77, tail=89, volatile=True),
        "volatile_alarm": batch(LANE_ALARM, {1: Dictionary(KEYS), 2: plain}, line=77, volatile=True, urgent=(2,)),
    }


def receipts() -> dict[str, receipt.Receipt]:
    """With and without what may be left out."""
    held = [receipt.LineHeld(LINE, [(1, 400), (402, 90_000)], [(401, 401)]), receipt.LineHeld(2**63 + 7, [(1, 4711)])]
    wanted = [receipt.LineWanted(LINE, [(90_001, 90_004)])]
    credit = receipt.Credit(4, 600)
    return {
        "receipt": receipt.Receipt(1, "haihe", T0 - 9, STATION, T0, held, credit, wanted, [0, 1]),
        "receipt_of_nothing": receipt.Receipt(1, "haihe", T0 - 9, STATION, T0, []),
    }


def main() -> None:
    """Write what is missing."""
    HERE.mkdir(exist_ok=True)
    made: dict[str, tuple[bytes, Any]] = {}
    for name, sample in samples().items():
        data = wire.encode(sample)
        made[name] = (data, {"batch": as_said(sample, wire.read_envelope(data).codec)})
    for name, stated in receipts().items():
        public = RECEIPT_KEY.public_key().public_bytes_raw().hex()
        meaning = msgspec.msgpack.decode(msgspec.msgpack.encode(stated))
        made[name] = (receipt.sign(stated, RECEIPT_KEY), {"public_key": public, "receipt": meaning})
    for name, (data, meaning) in made.items():
        path = HERE / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps({"bytes": data.hex(), **meaning}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
