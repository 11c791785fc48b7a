"""The three dashboards of Grafana: the map, one station's hydrograph, the fleet.

Elements, units and names come from the register of the contract; the queries stand in ``grafana_queries``.
"""

from collections.abc import Iterator, Sequence

from haihe_contract.element import ELEMENTS
from haihe_contract.quality import FLAG_NAMES, Flag

from haihe_cloud.store.station_points import MAP_STATE_NAMES, MapState

from . import grafana_queries as queries
from .grafana_panels import (
    LEGEND,
    Json,
    both,
    by_name,
    by_ref,
    dashboard,
    fixed,
    panel,
    target,
    thresholds,
    time_series,
    unit,
    value_names,
    variable,
)

MAP_UID, STATION_UID, FLEET_UID = "haihe-map", "haihe-station", "haihe-fleet"
STATE_COLOURS = {
    MapState.NEVER_HEARD: "#8e8e8e",
    MapState.NORMAL: "#37872d",
    MapState.DOUBTFUL: "#e0b400",
    MapState.SILENT: "#7c4dab",
    MapState.ABOVE_WARNING: "#fa6400",
    MapState.ABOVE_GUARANTEE: "#c4162a",
}
FLAG_COLOURS = {
    Flag.PASS: "#37872d",
    Flag.NOT_EVALUATED: "#8e8e8e",
    Flag.SUSPECT: "#e0b400",
    Flag.FAIL: "#c4162a",
    Flag.MISSING: "#4c4c4c",
}
GROUPS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("流量与流速", "flow and velocity", ("flow", "velocity")),
    ("雨强与累计雨量", "rain intensity and accumulated rain", ("rain_intensity", "accumulated_rain", "evaporation")),
    (
        "气象",
        "weather",
        ("air_temperature", "relative_humidity", "air_pressure", "wind_speed", "wind_direction"),
    ),
    ("水质", "water quality",
     ("water_temperature", "turbidity", "ph", "dissolved_oxygen", "conductivity", "redox_potential")),
    ("墒情", "soil", ("soil_moisture", "soil_temperature")),
    ("闸门与测深", "gate and distance", ("gate_opening", "distance", "contact")),
    ("供电", "supply", ("supply_voltage", "solar_voltage", "supply_current")),
    ("通信与设备", "link and equipment", ("signal", "board_temperature", "echo_quality")),
    ("定位", "position", ("latitude", "longitude", "altitude", "satellites")),
)  # fmt: skip
"""Which elements share a panel; water level and period rain have the hydrograph."""
VOLTAGE_LOW_V, VOLTAGE_BAD_V = 11.8, 11.2
"""A 12 V lead battery is about half empty, and about empty, below these."""
SIGNAL_WEAK_DBM, SIGNAL_BAD_DBM = -95, -110
"""Below these a cellular link gets slow, and gets lost."""

_STATES = value_names({state: (both(*MAP_STATE_NAMES[state]), STATE_COLOURS[state]) for state in MapState})
_STATE_STEPS = thresholds(*((None if not state else float(state), STATE_COLOURS[state]) for state in MapState))
_WORST_FIRST: Json = {"sortBy": [{"displayName": both("状态", "state"), "desc": True}], "cellHeight": "sm"}
_OPEN_STATION: Json = {
    "title": both("过程线", "hydrograph"),
    "url": f"/d/{STATION_UID}?var-station=${{__data.fields.station}}",
}


def _link(title: str, uid: str) -> Json:
    return {"title": title, "type": "link", "url": f"/d/{uid}", "icon": "dashboard", "keepTime": True}


_LINKS = [
    _link(both("一张图", "map"), MAP_UID),
    _link(both("测站", "station"), STATION_UID),
    _link(both("运行", "fleet"), FLEET_UID),
]


def _variables(*, station: bool) -> list[Json]:
    found = [
        variable("district", both("区", "district"), queries.DISTRICTS, every=True),
        variable("river", both("河流", "river"), queries.RIVERS, every=True),
    ]
    if station:
        found += [
            variable("station", both("测站", "station"), queries.STATIONS, every=False),
            variable("level", both("水位序列", "level series"), queries.series_of("water_level"), every=False),
            variable("rain", both("雨量序列", "rain series"), queries.series_of("period_rain"), every=False),
        ]
    return found


def map_dashboard() -> Json:
    """All stations on one map, coloured by their worst state; a click opens the hydrograph."""
    counts = [
        panel(
            "stat", both(*MAP_STATE_NAMES[state]), (4 * at, 0, 4, 3), [target("A", queries.stations_in(state))],
            defaults={"noValue": "0", "color": fixed(STATE_COLOURS[state]), "unit": "none"},
            options={"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}},
        )
        for at, state in enumerate(reversed(MapState))
    ]  # fmt: skip
    layer: Json = {
        "type": "markers",
        "name": both("测站", "stations"),
        "location": {"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
        "config": {
            "showLegend": True,
            "style": {
                "size": {"fixed": 9, "min": 4, "max": 15},
                "color": {"field": "state", "fixed": STATE_COLOURS[MapState.NEVER_HEARD]},
                "opacity": 0.9,
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                "text": {"mode": "field", "field": "name", "fixed": ""},
                "textConfig": {"fontSize": 12, "offsetX": 0, "offsetY": -14, "textAlign": "center"},
            },
        },
        "tooltip": True,
    }
    geomap = panel(
        "geomap", both("测站一张图", "stations on the map"), (0, 3, 15, 21),
        [target("A", queries.STATIONS_NOW, table=True)],
        defaults={"color": {"mode": "thresholds"}, "thresholds": _STATE_STEPS},
        overrides=[
            by_name("state", mappings=_STATES, thresholds=_STATE_STEPS, color={"mode": "thresholds"},
                    links=[_OPEN_STATION]),
            by_name("level", unit="lengthm", decimals=3),
            by_name("margin", unit="lengthm", decimals=2),
            by_name("heard_ms", unit="dateTimeFromNow"),
        ],
        options={
            "view": {"id": "fit", "allLayers": True, "padding": 15},
            "basemap": {"type": "default", "name": "base"},
            "layers": [layer],
            "controls": {"showZoom": True, "showScale": True, "mouseWheelZoom": True},
            "tooltip": {"mode": "details"},
        },
    )  # fmt: skip
    listed = panel(
        "table", both("水情表", "stations, worst first"), (15, 3, 9, 21),
        [target("A", queries.STATIONS_NOW, table=True)],
        overrides=[*_station_columns(), *_without("latitude", "longitude")], options=_WORST_FIRST,
    )  # fmt: skip
    return dashboard(
        MAP_UID, both("海河水情一张图", "Haihe map"), [*counts, geomap, listed], _variables(station=False),
        window="now-1h", refresh="30s", links=_LINKS,
    )  # fmt: skip


def station_dashboard() -> Json:
    """One station: level with its warning lines and hanging rain, everything else it measures, and its doubts."""
    level, rain = ELEMENTS["water_level"], ELEMENTS["period_rain"]
    hydrograph = panel(
        "timeseries", both("水位雨量过程线", "hydrograph: level and rain"), (0, 0, 24, 13),
        [
            target("A", queries.HYDROGRAPH, alias=both("水位 $tag_point", "level")),
            target("B", queries.line_of("warning"), alias=both("警戒", "warning")),
            target("C", queries.line_of("guarantee"), alias=both("保证", "guarantee")),
            target("D", queries.RAIN, alias=both("雨量 $tag_point", "rain")),
        ],
        defaults={"unit": unit(level), "decimals": 2, "custom": time_series(fill=8)},
        overrides=[
            by_ref("A", color=fixed("#1f78c1")),
            _dashed("B", STATE_COLOURS[MapState.ABOVE_WARNING]),
            _dashed("C", STATE_COLOURS[MapState.ABOVE_GUARANTEE]),
            # Bars hang from the top: Grafana has no inverted axis, so the values are turned and the axis is stretched.
            by_ref("D", unit=unit(rain), decimals=rain.decimals, color=fixed("#5794f2"), custom__drawStyle="bars",
                   custom__lineWidth=0, custom__fillOpacity=70, custom__transform="negative-Y",
                   custom__axisPlacement="right", custom__axisSoftMin=-60, custom__axisSoftMax=0),
        ],
        options=LEGEND,
    )  # fmt: skip
    panels = [hydrograph]
    x, y = 0, 13
    for zh, en, codes in GROUPS:
        panels.append(_elements_panel(both(zh, en), (x, y, 12, 8), codes))
        x, y = (12, y) if x == 0 else (0, y + 8)
    if x:
        y += 8
    panels += [_quality_panel((0, y, 12, 9)), _conflicts_panel((12, y, 12, 9))]
    return dashboard(
        STATION_UID, both("测站过程线", "Haihe station"), panels, _variables(station=True),
        window="now-3d", refresh="30s", links=_LINKS,
    )  # fmt: skip


def fleet_dashboard() -> Json:
    """All stations as equipment: last word, margin, voltage, signal, and how the states went."""
    table = panel(
        "table", both("测站运行表", "fleet"), (0, 0, 24, 12),
        [
            target("A", queries.STATIONS_NOW, table=True),
            target("B", queries.newest("supply_voltage"), table=True),
            target("C", queries.newest("signal"), table=True),
        ],
        overrides=[*_station_columns(), *_without("latitude", "longitude")], options=_WORST_FIRST,
        transformations=[
            {"id": "filterFieldsByName", "options": {"exclude": {"pattern": "^Time$"}}},
            {"id": "joinByField", "options": {"byField": "station", "mode": "outer"}},
        ],
    )  # fmt: skip
    history = panel(
        "status-history", both("状态历程", "states over time"), (0, 12, 24, 12),
        [target("A", queries.STATES, alias="$tag_station")],
        defaults={"mappings": _STATES, "thresholds": _STATE_STEPS, "color": {"mode": "thresholds"},
                  "custom": {"fillOpacity": 85, "lineWidth": 1}},
        options={"rowHeight": 0.9, "showValue": "never", **LEGEND},
    )  # fmt: skip
    history["interval"] = "5m"
    arrived = panel(
        "timeseries", both("每小时入库数据", "readings stored per hour"), (0, 24, 24, 8),
        [target("A", queries.ARRIVED, alias="$tag_station")],
        defaults={"unit": "short", "custom": time_series()}, options=LEGEND,
    )  # fmt: skip
    return dashboard(
        FLEET_UID, both("测站运行状态", "Haihe fleet"), [table, history, arrived],
        [*_variables(station=False), variable("stations", "stations", queries.STATIONS, every=True, hidden=True)],
        window="now-24h", refresh="1m", links=_LINKS,
    )  # fmt: skip


def _station_columns() -> list[Json]:
    voltage = thresholds((None, "red"), (VOLTAGE_BAD_V, "orange"), (VOLTAGE_LOW_V, "green"))
    signal = thresholds((None, "red"), (SIGNAL_BAD_DBM, "orange"), (SIGNAL_WEAK_DBM, "green"))
    margin = thresholds((None, "green"), (-0.3, "#e0b400"), (0.0, STATE_COLOURS[MapState.ABOVE_WARNING]))
    coloured = {"type": "color-text"}
    return [
        *_without("Time"),
        by_name("station", displayName=both("站码", "code"), links=[_OPEN_STATION]),
        by_name("name", displayName=both("站名", "name")),
        by_name(
            "state", displayName=both("状态", "state"), mappings=_STATES, thresholds=_STATE_STEPS,
            custom__cellOptions={"type": "color-background"},
        ),
        by_name("heard_ms", displayName=both("最近来报", "last heard"), unit="dateTimeFromNow"),
        by_name("level", displayName=both("水位", "level"), unit="lengthm", decimals=3),
        by_name("margin", displayName=both("超警戒", "over warning"), unit="lengthm", decimals=2, thresholds=margin,
                custom__cellOptions=coloured),
        by_name("supply_voltage", displayName=both("电压", "voltage"), unit="volt", decimals=2, thresholds=voltage,
                custom__cellOptions=coloured),
        by_name("signal", displayName=both("信号", "signal"), unit="dBm", decimals=0, thresholds=signal,
                custom__cellOptions=coloured),
    ]  # fmt: skip


def _without(*columns: str) -> list[Json]:
    return [by_name(column, custom__hidden=True) for column in columns]


def _dashed(ref: str, colour: str) -> Json:
    return by_ref(
        ref, color=fixed(colour), custom__fillOpacity=0, custom__showPoints="never",
        custom__lineStyle={"fill": "dash", "dash": [10, 8]},
    )  # fmt: skip


def _elements_panel(title: str, place: tuple[int, int, int, int], codes: Sequence[str]) -> Json:
    """Several elements of the register in one panel, each with its own unit."""
    targets = []
    overrides = []
    for ref, code in zip(_refs(), codes, strict=False):
        known = ELEMENTS[code]
        alias = both(f"{known.zh} $tag_point", known.en)
        targets.append(target(ref, queries.element_values(code), alias=alias))
        overrides.append(by_ref(ref, unit=unit(known), decimals=known.decimals))
    return panel(
        "timeseries", title, place, targets, defaults={"custom": time_series()}, overrides=overrides, options=LEGEND
    )  # fmt: skip


def _quality_panel(place: tuple[int, int, int, int]) -> Json:
    targets = [
        target(ref, queries.readings_with(flag), alias=both(*FLAG_NAMES[flag]))
        for ref, flag in zip(_refs(), FLAG_COLOURS, strict=False)
    ]
    stacked = time_series(bars=True) | {"stacking": {"mode": "normal", "group": "A"}}
    colours = [by_ref(ref, color=fixed(colour)) for ref, colour in zip(_refs(), FLAG_COLOURS.values(), strict=False)]
    return panel(
        "timeseries", both("数据质量", "quality of readings"), place, targets,
        defaults={"unit": "short", "custom": stacked}, overrides=colours, options=LEGEND,
    )  # fmt: skip


def _conflicts_panel(place: tuple[int, int, int, int]) -> Json:
    names = {int(flag): (both(*FLAG_NAMES[flag]), colour) for flag, colour in FLAG_COLOURS.items()}
    return panel(
        "table", both("冲突数据", "readings that lost their place to another"), place,
        [target("A", queries.CONFLICTS, table=True)],
        overrides=[
            by_name("flag", displayName=both("质量", "flag"), mappings=value_names(names)),
            by_name("series", displayName=both("序列", "series")),
            by_name("value", displayName=both("值", "value")),
        ],
    )  # fmt: skip


def _refs() -> Iterator[str]:
    yield from "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
