"""What an instrument would see at one station of the river at this moment, with the noise of its kind."""

import math
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from .river import River, RiverClock, Water, tips

DAY_S = 86400
NOISE: Mapping[str, float] = MappingProxyType(
    {
        "water_level": 0.002, "distance": 0.002, "velocity": 0.02, "flow": 0.0, "air_temperature": 0.05,
        "water_temperature": 0.02, "turbidity": 1.5, "ph": 0.01, "dissolved_oxygen": 0.02, "conductivity": 2.0,
        "redox_potential": 1.0, "wind_speed": 0.4, "wind_direction": 6.0, "relative_humidity": 0.4,
        "air_pressure": 0.05, "soil_moisture": 0.05, "soil_temperature": 0.02, "supply_voltage": 0.01,
        "solar_voltage": 0.05, "supply_current": 0.01, "signal": 1.0, "board_temperature": 0.1,
        "echo_quality": 5.0,
    }
)  # fmt: skip
"""Standard deviation of a reading in the element's unit; sizes as makers state them."""


class Place(NamedTuple):
    """How the instruments of a station are mounted.

    Args:
        radar_m: elevation of the radar in the station's datum; distance = radar - stage.
        bucket_mm: what one tip of the rain gauge means.
    """

    radar_m: float = 12.0
    bucket_mm: float = 0.2


class Nature:
    """Values of elements at one station, read by the simulated instruments."""

    def __init__(self, river: River, station: int, time: RiverClock, place: Place, chance: random.Random) -> None:
        self.river = river
        self.station = station
        self.time = time
        self.place = place
        self._chance = chance

    def water(self) -> Water:
        """The river at this station now."""
        return self.river.at(self.station, self.time.now_s())

    def value(self, element: str) -> float:
        """What an instrument for that element reads now. Counters and elements without noise are exact."""
        seen = _SIGHT.get(element, _steady)(self.water(), self.time.now_s(), self.place)
        sigma = NOISE.get(element, 0.0)
        return seen + self._chance.gauss(0.0, sigma) if sigma else seen


Sight = Callable[[Water, float, Place], float]


def _day(time_s: float) -> float:
    """-1 at night, +1 in the early afternoon."""
    return math.sin(2 * math.pi * (time_s - 9 * 3600) / DAY_S)


def _steady(water: Water, time_s: float, place: Place) -> float:
    return 1.0


_SIGHT: Mapping[str, Sight] = MappingProxyType(
    {
        "water_level": lambda w, t, p: w.stage_m,
        "distance": lambda w, t, p: max(0.0, p.radar_m - w.stage_m),
        "accumulated_rain": lambda w, t, p: tips(w.fallen_mm, p.bucket_mm) * p.bucket_mm,
        "rain_intensity": lambda w, t, p: w.intensity_mm_h,
        "flow": lambda w, t, p: w.flow_m3s,
        "velocity": lambda w, t, p: w.velocity_ms,
        "water_temperature": lambda w, t, p: 22.0 + 0.8 * _day(t - 2 * 3600),
        "air_temperature": lambda w, t, p: 26.0 + 4.0 * _day(t) - min(6.0, w.intensity_mm_h / 10),
        "relative_humidity": lambda w, t, p: min(99.0, 70 - 12 * _day(t) + w.intensity_mm_h / 2),
        "air_pressure": lambda w, t, p: 1002.0 - min(8.0, w.intensity_mm_h / 10),
        "wind_speed": lambda w, t, p: 4.0 + min(10.0, w.intensity_mm_h / 8),
        "wind_direction": lambda w, t, p: 135.0,
        "soil_moisture": lambda w, t, p: min(45.0, 20 + w.fallen_mm / 8),
        "soil_temperature": lambda w, t, p: 21.0 + 0.5 * _day(t - 4 * 3600),
        "turbidity": lambda w, t, p: 25.0 + 0.6 * w.flow_m3s,
        "ph": lambda w, t, p: 7.9 - min(0.6, w.fallen_mm / 400),
        "dissolved_oxygen": lambda w, t, p: 7.8 + 0.4 * _day(t),
        "conductivity": lambda w, t, p: max(150.0, 900 - 3 * w.fallen_mm),
        "redox_potential": lambda w, t, p: 210.0,
        "supply_voltage": lambda w, t, p: 12.9 + 0.5 * _day(t),
        "supply_current": lambda w, t, p: 0.6 + 0.4 * _day(t),
        "solar_voltage": lambda w, t, p: max(0.0, 17.5 * _day(t) + 1),
        "signal": lambda w, t, p: -83.0,
        "board_temperature": lambda w, t, p: 33.0 + 4.0 * _day(t),
        "echo_quality": lambda w, t, p: 900.0,
        "contact": lambda w, t, p: 0.0,
        "gate_opening": lambda w, t, p: 0.35,
        "evaporation": lambda w, t, p: 0.4,
    }
)
