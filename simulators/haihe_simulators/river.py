"""A river that obeys physics: storm, losses, Nash cascade, reaches, rating, tide.

    storm (mm) -> net rain (mm) -> flow at the first station (m³/s) -> reach by reach downstream -> stage (m)

Everything is a pure function of its numbers: volume that falls as net rain leaves as flow. Times are seconds
of the river's own clock, which may run faster than the wall (:class:`RiverClock`).

Sources: design storm by Keifer and Chu, "Synthetic storm pattern for drainage design", J. Hydraul. Div. ASCE,
1957; cascade of linear reservoirs by Nash, "The form of the instantaneous unit hydrograph", IASH Publ. 45,
1957; Manning's formula for a wide channel (hydraulic radius = depth); tidal periods M2 and K1 after Doodson.
"""

import math
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.errors import must

STEP_S = 300
"""Step of the computation in seconds of the river; values between steps are interpolated."""
M3_PER_MM_KM2 = 1000.0
"""One millimetre on one square kilometre is a thousand cubic metres."""
M2_PERIOD_S = 12.4206012 * 3600
"""Period of the principal lunar tide."""
K1_PERIOD_S = 23.9344696 * 3600
"""Period of the luni-solar diurnal tide, which the Bohai's mixed tide shows too."""
_TAIL = 1e-9


class Storm(NamedTuple):
    """A design storm.

    Args:
        total_mm: rain that falls in all.
        begin_s: when it begins.
        duration_s: how long it lasts.
        peak: where the peak lies, as a share of the duration (the advancement coefficient r of Keifer and Chu).
        roughness: how far single steps stray from the smooth curve, 0 to 1.
    """

    total_mm: float
    begin_s: int
    duration_s: int
    peak: float = 0.4
    roughness: float = 0.25


def hyetograph(storm: Storm, length_s: int, chance: random.Random) -> list[float]:
    """Rain in millimetres of each step from time 0; its sum is the storm's total.

    The curve is Keifer and Chu's with b = 10 min and c = 0.7, usual values for northern China's city formulas.
    """
    b, c = 600.0, 0.7
    peak_s = storm.begin_s + storm.peak * storm.duration_s
    weights: list[float] = []
    for step in range(length_s // STEP_S):
        middle = (step + 0.5) * STEP_S
        if not storm.begin_s <= middle < storm.begin_s + storm.duration_s:
            weights.append(0.0)
            continue
        share = storm.peak if middle < peak_s else 1 - storm.peak
        away = abs(middle - peak_s) / max(share, 1e-6)
        weights.append(((1 - c) * away + b) / (away + b) ** (1 + c))
        weights[-1] *= 1 + storm.roughness * (2 * chance.random() - 1)
    whole = sum(weights)
    must(whole > 0, "the storm lies outside the time that is computed")
    return [storm.total_mm * weight / whole for weight in weights]


def net_rain(rain_mm: Sequence[float], initial_mm: float, constant_mm_h: float) -> list[float]:
    """What runs off: an initial loss first, then a constant rate (初损后损法), per step."""
    left, out = initial_mm, []
    for fallen in rain_mm:
        taken = min(fallen, left)
        left -= taken
        out.append(max(0.0, fallen - taken - constant_mm_h * STEP_S / 3600))
    return out


def nash_ordinates(reservoirs: int, storage_s: float) -> list[float]:
    """Shares of one step's input that leave a cascade of equal linear reservoirs, step by step; they sum to 1.

    For whole n the S-curve is 1 - exp(-t/K) * sum((t/K)^i / i!, i < n); the ordinates are its differences.
    """
    must(reservoirs >= 1 and storage_s > 0, "a cascade needs reservoirs with storage")

    def curve(time_s: float) -> float:
        ratio = time_s / storage_s
        term = total = 1.0
        for i in range(1, reservoirs):
            term *= ratio / i
            total += term
        return 1.0 - math.exp(-ratio) * total

    out, done, step = [], 0.0, 0
    while 1.0 - done > _TAIL:
        step += 1
        now = max(done, curve(step * STEP_S))  # the first steps of a long cascade drown in rounding
        out.append(now - done)
        done = now
    out[-1] += 1.0 - done
    return out


def convolve(input_: Sequence[float], ordinates: Sequence[float]) -> list[float]:
    """Input pushed through a linear system; as long as both together, so that nothing is cut off."""
    out = [0.0] * (len(input_) + len(ordinates) - 1)
    for at, amount in enumerate(input_):
        if amount:
            for shift, share in enumerate(ordinates):
                out[at + shift] += amount * share
    return out


def delay(flow: Sequence[float], travel_s: int) -> list[float]:
    """The same hydrograph, later by the travel time (rounded to whole steps)."""
    return [0.0] * round(travel_s / STEP_S) + list(flow)


class Rating(NamedTuple):
    """Manning's formula for a channel that is wide against its depth: Q = B h^(5/3) sqrt(S) / n.

    Args:
        width_m: width of the channel.
        slope: of the bed.
        roughness: Manning's n.
        zero_m: elevation of the bed in the station's datum.
    """

    width_m: float
    slope: float
    roughness: float
    zero_m: float

    def depth(self, flow: float) -> float:
        """Depth in metres at a flow in m³/s."""
        ratio = max(0.0, flow) * self.roughness / (self.width_m * math.sqrt(self.slope))
        return float(ratio**0.6)

    def stage(self, flow: float) -> float:
        """Stage in metres of the station's datum."""
        return self.zero_m + self.depth(flow)

    def flow(self, stage_m: float) -> float:
        """Flow in m³/s at a stage; zero at and below the bed."""
        depth = max(0.0, stage_m - self.zero_m)
        return float(self.width_m * depth ** (5 / 3) * math.sqrt(self.slope) / self.roughness)

    def velocity(self, flow: float) -> float:
        """Mean velocity in m/s."""
        depth = self.depth(flow)
        return flow / (self.width_m * depth) if depth > 0 else 0.0


class Reach(NamedTuple):
    """One station with the land and the channel above it.

    Args:
        code: of the station.
        area_km2: land that drains between the station above (or the source) and this one.
        reservoirs: n of its Nash cascade.
        storage_s: K of its Nash cascade, per reservoir.
        travel_s: how long water needs from the station above.
        attenuation_s: storage of the channel, a single linear reservoir that flattens the wave.
        base_m3s: flow that is there without a storm, in all.
        rating: stage and flow of this station.
        tide_m: amplitude of the tide at the station, 0 above its reach.
    """

    code: str
    area_km2: float
    reservoirs: int
    storage_s: float
    travel_s: int
    attenuation_s: float
    base_m3s: float
    rating: Rating
    tide_m: float = 0.0


class Water(NamedTuple):
    """What the river is at one station and moment."""

    fallen_mm: float
    intensity_mm_h: float
    flow_m3s: float
    stage_m: float
    velocity_ms: float


class River:
    """A storm on a river with its stations, computed once and then read at any moment."""

    def __init__(self, storm: Storm, reaches: Sequence[Reach], length_s: int, chance: random.Random) -> None:
        self.reaches = tuple(reaches)
        self.rain_mm = hyetograph(storm, length_s, chance)
        self.net_mm = net_rain(self.rain_mm, initial_mm=8.0, constant_mm_h=2.0)
        self._fallen = [0.0, *accumulate(self.rain_mm)]
        self.storm_flow: list[list[float]] = []
        above: list[float] = []
        for reach in self.reaches:
            own = convolve(
                [mm * reach.area_km2 * M3_PER_MM_KM2 / STEP_S for mm in self.net_mm],
                nash_ordinates(reach.reservoirs, reach.storage_s),
            )
            arriving = convolve(delay(above, reach.travel_s), nash_ordinates(1, reach.attenuation_s)) if above else []
            size = max(len(own), len(arriving))
            above = [
                (own[at] if at < len(own) else 0.0) + (arriving[at] if at < len(arriving) else 0.0)
                for at in range(size)
            ]
            self.storm_flow.append(above)

    def at(self, station: int, time_s: float) -> Water:
        """The water at the station of that index; the storm's flow is the mean of a step, put at its end."""
        reach = self.reaches[station]
        flow = reach.base_m3s + _between(self.storm_flow[station], time_s / STEP_S - 1)
        tide = reach.tide_m * (
            math.sin(2 * math.pi * time_s / M2_PERIOD_S) + 0.5 * math.sin(2 * math.pi * time_s / K1_PERIOD_S)
        )
        step = min(max(0, int(time_s // STEP_S)), len(self.rain_mm))
        intensity = self.rain_mm[step] * 3600 / STEP_S if step < len(self.rain_mm) else 0.0
        return Water(
            _between(self._fallen, time_s / STEP_S),
            intensity,
            flow,
            reach.rating.stage(flow) + tide,
            reach.rating.velocity(flow),
        )

    def crest(self, station: int) -> tuple[float, float]:
        """When the highest storm flow passes the station (seconds) and how much it is (m³/s, with base)."""
        flow = self.storm_flow[station]
        at = max(range(len(flow)), key=flow.__getitem__)
        return (at + 1) * STEP_S, flow[at] + self.reaches[station].base_m3s


class RiverClock:
    """The river's time: so many seconds of it pass in one second of the wall."""

    def __init__(self, clock: Clock, factor: float, begin_s: float = 0.0) -> None:
        self._clock = clock
        self._start_ms = clock.monotonic_ms()
        self.factor = factor
        self.begin_s = begin_s

    def pace(self, factor: float) -> None:
        """From now on, run at that factor."""
        self.begin_s, self._start_ms, self.factor = self.now_s(), self._clock.monotonic_ms(), factor

    def now_s(self) -> float:
        """Seconds of the river since its computation begins."""
        return self.begin_s + (self._clock.monotonic_ms() - self._start_ms) / 1000 * self.factor


def tips(fallen_mm: float, bucket_mm: float) -> int:
    """How often a tipping bucket of that size has tipped when so much has fallen."""
    return int(fallen_mm / bucket_mm + 1e-9)


def _between(values: Sequence[float], place: float) -> float:
    """Linear interpolation; nothing before the first value, the last value after the end."""
    if not values or place < 0:
        return values[0] * max(0.0, 1 + place) if values else 0.0
    at = int(place)
    if at >= len(values) - 1:
        return values[-1]
    share = place - at
    return values[at] * (1 - share) + values[at + 1] * share
