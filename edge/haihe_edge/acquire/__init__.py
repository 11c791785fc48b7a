"""Acquire: ask the instruments, and say what they answered or why they did not.

``acquirer`` is the shell that station.py starts. ``modbus``, ``decode``, ``plan``, ``schedule`` and ``nmea``
decide and are pure; ``line`` and ``bus`` are the only ones that touch ports.
"""

from .acquirer import Acquirer
from .group import BusState, Group, Happening, InstrumentState, Sample
from .memory.missed import Known, Missed, Watched

__all__ = ["Known", "Missed", "Watched", "Acquirer", "Group", "Sample", "Happening", "BusState", "InstrumentState"]
