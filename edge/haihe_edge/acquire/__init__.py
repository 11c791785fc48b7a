"""Acquire: ask the instruments, and say what they answered or why they did not.

``acquirer`` is the shell that station.py starts: one ``runner`` a bus. ``schedule``, ``outage`` and ``budget`` decide
for every bus, whatever is spoken on it; ``line`` alone opens ports and sockets. How instruments speak is a room each:

    modbus    requests planned from the profile, frames, answers, who it is
    spoken    text and SDI-12
    gnss      positioning receivers
    digital   tips, contacts and outputs of a GPIO chip
    memory    what was missed, read back from the instrument
    write     points that people set, commands that they send
"""

from .acquirer import Acquirer
from .group import BusState, Group, Happening, InstrumentState, Sample
from .memory.missed import Known, Missed, Watched

__all__ = ["Known", "Missed", "Watched", "Acquirer", "Group", "Sample", "Happening", "BusState", "InstrumentState"]
