"""Qualify: say how good each value is, and notice when the station's own levels are crossed. Pure."""

from .counter import Counters, CounterState
from .judge import Judge, Judged
from .levels import Crossing, LevelWatch

__all__ = ["Judge", "Counters", "CounterState", "Judged", "LevelWatch", "Crossing"]
