"""What the demo plays: a river with its stations, and the files that stations and centre are started with."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from haihe_contract.series import Series, Source

from .nature import Place
from .river import Rating, Reach, River, Storm

DATUM = "dagu"
LEVEL = Series("water_level", source=Source.DERIVED, datum=DATUM).key
STATIONS_MAX = 40
SILENT_AFTER_S = 20
"""In the demo a station counts as silent after this; 600 s would outlast the story."""
RETRY_MOST = "5s"
"""Cap of the pauses between tries to connect; the default of 30 s suits months, not a story of 90 s."""
LENGTH_S = 2 * 86400
STORM = Storm(total_mm=130.0, begin_s=3600, duration_s=6 * 3600)
LOAD = "demo-multi-20"
_NAMES = (
    ("上口桥", "Shangkou Bridge", 39.552, 116.803),
    ("中洲", "Zhongzhou", 39.351, 117.052),
    ("河口闸", "Hekou Gate", 39.021, 117.652),
)


class Actor(NamedTuple):
    """One station of the demo.

    Args:
        code: station code.
        name_zh: Chinese name.
        name_en: English name.
        latitude: degrees north.
        longitude: degrees east.
        place: how its instruments are mounted.
        warning: warning level in metres above the datum.
        guarantee: guarantee level.
        kind: which set of instruments it has, 0 to 2.
    """

    code: str
    name_zh: str
    name_en: str
    latitude: float
    longitude: float
    place: Place
    warning: float
    guarantee: float
    kind: int


def make_river(stations: int, chance: random.Random) -> River:
    """A river with so many stations, the last one in the reach of the tide."""
    reaches = [
        Reach(
            f"3100{at + 1:04d}",
            area_km2=34.0 / (1 + at) + 6,
            reservoirs=3,
            storage_s=2100.0,
            travel_s=0 if at == 0 else 1500,
            attenuation_s=900.0,
            base_m3s=9.0 + 4 * at,
            rating=Rating(60.0 + 15 * at, 0.0004, 0.03, 6.0 - 4.5 * at / max(1, stations - 1)),
            tide_m=0.25 if stations > 1 and at == stations - 1 else 0.0,
        )
        for at in range(stations)
    ]
    return River(STORM, reaches, LENGTH_S, chance)


def make_cast(river: River) -> list[Actor]:
    """The stations of the river, with levels that this storm will pass."""
    cast = []
    for at, reach in enumerate(river.reaches):
        zh, en, latitude, longitude = _NAMES[at % 3]
        if at >= len(_NAMES):
            zh, en = f"{zh}{at + 1}", f"{en} {at + 1}"
            latitude, longitude = latitude + 0.03 * (at // 3), longitude - 0.04 * (at // 3)
        low, high = reach.rating.stage(reach.base_m3s), reach.rating.stage(river.crest(at)[1])
        cast.append(
            Actor(
                reach.code,
                zh,
                en,
                round(latitude, 4),
                round(longitude, 4),
                Place(radar_m=round(high + 3.0, 1)),
                round(low + 0.5 * (high - low), 2),
                round(low + 0.8 * (high - low), 2),
                at % 3,
            )
        )
    return cast


def site_document(
    actor: Actor, centre: str, link_port: int, instrument_port: int, keys: Path, *, folder: Path, window: str
) -> dict[str, Any]:
    """The site file of a station.

    Args:
        actor: who.
        centre: name of the centre.
        link_port: where its link to the broker begins, on this machine.
        instrument_port: where its Modbus TCP instruments listen.
        keys: directory of the certificates.
        folder: where its serial ports appear.
        window: commit window of its journal.
    """
    buses: list[dict[str, Any]] = [
        {"kind": "serial", "name": "rs485-1", "port": str(folder / "rs485-1"), "baud": 9600, "parity": "even"},
        {"kind": "tcp", "name": "cabinet", "host": "127.0.0.1", "port": instrument_port},
    ]
    instruments: list[dict[str, Any]] = [
        {
            "name": "radar",
            "profile": "geolux-lx-80",
            "bus": "rs485-1",
            "unit": 1,
            "every": "1s",
            "series": [
                {"point": "distance", "as": "water_level", "times": -1, "plus": actor.place.radar_m, "datum": DATUM},
                {"point": "snr"},
            ],
        },
        _whole("rain-gauge", "generic-rs485-tipping-bucket-cn", "rs485-1", 2, "2s"),
    ]
    if actor.kind == 0:
        instruments.append(_whole("velocity", "ott-svr-100", "rs485-1", 3, "1s"))
        instruments.append(_whole("solar", "epever-tracer", "cabinet", 1, "2s"))
    elif actor.kind == 1:
        buses.append({"kind": "serial", "name": "rs485-2", "port": str(folder / "rs485-2"), "baud": 9600})
        instruments.append(_whole("sonde", "yosemitech-y4000", "rs485-2", 10, "5s"))
        instruments.append(_whole("solar", "epever-tracer", "cabinet", 1, "2s"))
    else:
        instruments.append(_whole("weather", "demo-multi-20", "cabinet", 1, "2s", at="mast"))
    if actor.kind != 1:
        buses.append({"kind": "gnss", "name": "gnss", "port": str(folder / "gnss"), "every": "10s"})
    return {
        "station": {
            "code": actor.code,
            "name": {"zh": actor.name_zh, "en": actor.name_en},
            "latitude": actor.latitude,
            "longitude": actor.longitude,
        },
        "buses": buses,
        "instruments": instruments,
        "levels": [{"series": LEVEL, "datum": DATUM, "warning": actor.warning, "guarantee": actor.guarantee}],
        "journal": {"directory": "./journal", "size": "64MiB", "window": window},
        "centres": [
            {
                "name": centre,
                "host": "127.0.0.1",
                "port": link_port,
                "ca": str(keys / "ca.pem"),
                "certificate": str(keys / "stations" / f"{actor.code}.pem"),
                "key": str(keys / "stations" / f"{actor.code}.key"),
                "receipt_key": str(keys / "receipt.pub"),
                "retry_most": RETRY_MOST,
            }
        ],
        "control": "./control",
    }


def _whole(name: str, profile: str, bus: str, unit: int, every: str, *, at: str = "") -> dict[str, Any]:
    """An instrument with every point of its profile that names an element; ``at`` filled in by :func:`spread`."""
    return {"name": name, "profile": profile, "bus": bus, "unit": unit, "every": every, "at": at}


def spread(site: dict[str, Any], profiles: Path) -> dict[str, Any]:
    """Write out the series of instruments that are to stand at a measuring point of their own."""
    for instrument in site["instruments"]:
        at = instrument.pop("at", "")
        if at:
            points = yaml.safe_load((profiles / f"{instrument['profile']}.yaml").read_text("utf-8"))["points"]
            instrument["series"] = [{"point": point["name"], "at": at} for point in points if point.get("element")]
    return site


def stations_document(cast: Sequence[Actor]) -> dict[str, Any]:
    """The centre's file of stations."""
    return {
        "stations": [
            {
                "code": actor.code,
                "name_zh": actor.name_zh,
                "name_en": actor.name_en,
                "latitude": actor.latitude,
                "longitude": actor.longitude,
                "river": "演示河",
                "district": "演示区",
                "silent_after_s": SILENT_AFTER_S,
                "levels": [{"series": LEVEL, "datum": DATUM, "warning": actor.warning, "guarantee": actor.guarantee}],
            }
            for actor in cast
        ]
    }


def of_twenty(site: dict[str, Any], profiles: Path, every: str = "1s") -> dict[str, Any]:
    """The same station with one instrument on a socket, 20 values at a time, which gives its level too: a load."""
    cabinet = next(bus for bus in site["buses"] if bus["kind"] == "tcp")
    level = next(each for each in site["instruments"][0]["series"] if each.get("as") == "water_level")
    points = yaml.safe_load((profiles / f"{LOAD}.yaml").read_text("utf-8"))["points"]
    series = [{"point": each["name"]} for each in points if each.get("element") and each["name"] != level["point"]]
    instrument = {
        "name": "multi", "profile": LOAD, "bus": cabinet["name"], "unit": 1, "every": every,
        "series": [*series, level],
    }  # fmt: skip
    return {**site, "buses": [cabinet], "instruments": [instrument]}


def rules_document() -> dict[str, Any]:
    """The centre's alarm rules, with holds as short as the demo."""
    return {
        "rules": [
            {
                "name": level,
                "series": {"element": "water_level"},
                "raise_at": level,
                "severity": severity,
                "title_zh": zh,
                "title_en": en,
                "clear_margin": 0.1,
                "hold_raise": "1s",
                "hold_clear": "5s",
            }
            for level, severity, zh, en in (
                ("warning", "yellow", "超警戒水位", "above warning level"),
                ("guarantee", "orange", "超保证水位", "above guarantee level"),
            )
        ]
    }


def centre_document(keys: Path, broker_port: int, http_port: int, language: str) -> dict[str, Any]:
    """The centre's settings."""
    return {
        "data": "./data",
        "centre": "haihe",
        "broker": {
            "host": "127.0.0.1",
            "port": broker_port,
            "ca": str(keys / "ca.pem"),
            "certificate": str(keys / "centre.pem"),
            "key": str(keys / "centre.key"),
        },
        "receipt_key": str(keys / "receipt.key"),
        "http": {"host": "127.0.0.1", "port": http_port},
        "stations": "./stations.yaml",
        "rules": "./rules.yaml",
        "language": language,
    }


def write_yaml(path: Path, document: dict[str, Any]) -> Path:
    """Write a document; the path of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
    return path
