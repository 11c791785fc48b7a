"""The register of elements: what can be measured, in which unit, under which code.

Sources: SL 651-2014 annex C (identifier byte and letters), SL 323-2011 (column names). Where a standard
has no word for a quantity the column is None: house-keeping of a station lives in its own tables.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Element(msgspec.Struct, frozen=True):
    """One kind of quantity.

    Args:
        code: our name; also the YAML and JSON name.
        zh: Chinese name.
        en: English name.
        unit: as people write it.
        decimals: resolution as digits after the point, for showing and for compact sending.
        low: below this no instrument of the kind can be right.
        high: above this no instrument of the kind can be right.
        sl651: identifier byte of SL 651-2014, where one fits without knowing interval or point.
        sl323: column of SL 323-2011.
        sl651_by_interval: identifier byte by interval in seconds.
        sl651_by_point: identifier byte by measuring point.
    """

    code: str
    zh: str
    en: str
    unit: str
    decimals: int
    low: float
    high: float
    sl651: int | None = None
    sl323: str | None = None
    sl651_by_interval: Mapping[int, int] = MappingProxyType({})
    sl651_by_point: Mapping[str, int] = MappingProxyType({})


_RAIN_CODES = {
    60: 0x21,
    300: 0x22,
    600: 0x23,
    1800: 0x24,
    3600: 0x1A,
    7200: 0x1B,
    10800: 0x1C,
    21600: 0x1D,
    43200: 0x1E,
    86400: 0x1F,
}
_SOIL_CODES = {
    "10cm": 0x10,
    "20cm": 0x11,
    "30cm": 0x12,
    "40cm": 0x13,
    "50cm": 0x14,
    "60cm": 0x15,
    "80cm": 0x16,
    "100cm": 0x17,
}

_REGISTER = (
    Element("water_level", "水位", "water level", "m", 3, -50, 9000, 0x39, "Z",
            sl651_by_point={"upstream": 0x3B, "downstream": 0x3A}),
    Element("distance", "空高", "distance to water", "m", 3, 0, 200),
    Element("period_rain", "时段雨量", "period rain", "mm", 1, 0, 2000, None, "DRP", sl651_by_interval=_RAIN_CODES),
    Element("accumulated_rain", "累计雨量", "accumulated rain", "mm", 1, 0, 1e7, 0x26, None),
    Element("rain_intensity", "雨强", "rain intensity", "mm/h", 1, 0, 2000),
    Element("evaporation", "蒸发量", "evaporation", "mm", 1, 0, 100, 0x07, "DYE"),
    Element("flow", "流量", "flow", "m³/s", 3, -100000, 200000, 0x27, "Q"),
    Element("velocity", "流速", "velocity", "m/s", 3, -30, 30, 0x37, "XSAVV"),
    Element("water_temperature", "水温", "water temperature", "°C", 1, -5, 60, 0x03, "WTMP"),
    Element("air_temperature", "气温", "air temperature", "°C", 1, -60, 60, 0x02, "ATMP"),
    Element("relative_humidity", "相对湿度", "relative humidity", "%", 1, 0, 100, 0x18, None),
    Element("air_pressure", "气压", "air pressure", "hPa", 1, 300, 1200, 0x08, "AIRP"),
    Element("wind_speed", "风速", "wind speed", "m/s", 1, 0, 120, 0x35, "WNDV"),
    Element("wind_direction", "风向", "wind direction", "°", 0, 0, 360, 0x33, "WNDDIR"),
    Element("soil_moisture", "土壤含水量", "soil moisture", "%", 1, 0, 100, None, "SLM", sl651_by_point=_SOIL_CODES),
    Element("soil_temperature", "地温", "soil temperature", "°C", 1, -60, 80, 0x0D, None),
    Element("turbidity", "浊度", "turbidity", "NTU", 1, 0, 10000, 0x49, None),
    Element("ph", "pH值", "pH", "", 2, 0, 14, 0x46, None),
    Element("dissolved_oxygen", "溶解氧", "dissolved oxygen", "mg/L", 2, 0, 50, 0x47, None),
    Element("conductivity", "电导率", "conductivity", "µS/cm", 0, 0, 200000, 0x48, None),
    Element("redox_potential", "氧化还原电位", "redox potential", "mV", 0, -2000, 2000, 0x4B, None),
    Element("gate_opening", "闸门开度", "gate opening", "m", 2, 0, 50, 0x09, "GTOPHGT"),
    Element("supply_voltage", "电源电压", "supply voltage", "V", 2, 0, 1000, 0x38, None),
    Element("supply_current", "电源电流", "supply current", "A", 2, -500, 500),
    Element("solar_voltage", "光伏电压", "solar panel voltage", "V", 2, 0, 1000),
    Element("signal", "信号强度", "signal strength", "dBm", 0, -150, 0),
    Element("echo_quality", "回波质量", "echo quality", "", 0, 0, 65535),
    Element("board_temperature", "主板温度", "board temperature", "°C", 1, -60, 130),
    Element("latitude", "纬度", "latitude", "°", 6, -90, 90),
    Element("longitude", "经度", "longitude", "°", 6, -180, 180),
    Element("altitude", "海拔高", "altitude", "m", 1, -500, 9000),
    Element("satellites", "卫星数", "satellites used", "", 0, 0, 200),
    Element("contact", "开关量", "contact", "", 0, 0, 1),
)  # fmt: skip

ELEMENTS: Mapping[str, Element] = MappingProxyType({element.code: element for element in _REGISTER})
"""Every element by its code."""


def unknown_element(code: str) -> Element:
    """What to show for an element that a newer station knows and we do not: it is stored, not refused."""
    return Element(code, code, code, "", 3, float("-inf"), float("inf"))


def element(code: str) -> Element:
    """The element of that code, or a stand-in when this version does not know it."""
    return ELEMENTS.get(code) or unknown_element(code)
