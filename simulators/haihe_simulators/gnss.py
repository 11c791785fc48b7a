"""A simulated GNSS receiver: NMEA sentences once a second, with a log of every fix it emitted.

Sources: NMEA 0183 v4.11 (GGA, RMC, GSA, ZDA; checksum = XOR of the bytes between ``$`` and ``*``); antenna
state as Chinese receivers (and u-blox) say it, ``$xxTXT,01,01,01,ANTENNA OPEN``.
"""

import asyncio
import random
import time
from functools import reduce
from operator import xor
from pathlib import Path
from typing import NamedTuple

from haihe_contract.clock import Clock

from .answer_log import AnswerLog
from .pty_port import PtyPort

METRES_PER_DEGREE = 111_320.0
NOISE_M = 1.5
"""Standard deviation of a position, as receivers state it (CEP 1 to 2.5 m)."""
FIX_NONE, FIX_SINGLE = 0, 1


class Fix(NamedTuple):
    """One position as the receiver states it. Degrees are what its own sentence says, not what it felt."""

    quality: int
    latitude: float
    longitude: float
    altitude: float
    satellites: int


def sentence(body: str) -> bytes:
    """A body with its dollar sign, checksum and line end."""
    return f"${body}*{reduce(xor, body.encode('ascii'), 0):02X}\r\n".encode("ascii")


def angle(degrees: float, width: int) -> tuple[str, float]:
    """Degrees as ``ddmm.mmmmm``, and the degrees that this text means."""
    minutes = round(abs(degrees) * 60, 5)
    whole = int(minutes // 60)
    rest = f"{minutes - whole * 60:08.5f}"
    return f"{whole:0{width}d}{rest}", whole + float(rest) / 60


class GnssReceiver:
    """Emits at ``path`` while somebody listens.

    Args:
        path: stable name of its port.
        talker: ``GN``, ``BD``, ``GB`` or ``GP``.
        latitude: true latitude in degrees.
        longitude: true longitude in degrees.
        altitude: true height in metres.
        log: where each emitted fix is written down.
        clock: whose time the satellites tell.
        chance: for noise.
    """

    def __init__(
        self,
        path: Path,
        *,
        talker: str,
        latitude: float,
        longitude: float,
        altitude: float,
        log: AnswerLog,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self.port = PtyPort(path, held=False)
        self.talker = talker
        self.latitude, self.longitude, self.altitude = latitude, longitude, altitude
        self.has_fix = True
        self.antenna_open = False
        self.log = log
        self._clock = clock
        self._chance = chance

    async def run(self) -> None:
        """Emit once a second, shortly after the full second, until cancelled."""
        self.port.plug()
        try:
            while True:
                now_ms = self._clock.now_ms()
                await self._clock.sleep((1000 - now_ms % 1000) / 1000 + 0.05)
                if self.port.listened():
                    self.emit()
        except asyncio.CancelledError:
            self.port.unplug()
            raise

    def emit(self) -> Fix:
        """Write the sentences of this second; the fix is logged after its last byte."""
        second = self._clock.now_ms() // 1000
        fix, text = self.sentences(second)
        self.port.write(text)
        self.log.note(fix=fix.quality, lat=fix.latitude, lon=fix.longitude, alt=fix.altitude, sats=fix.satellites)
        return fix

    def sentences(self, second: int) -> tuple[Fix, bytes]:
        """The fix of that second (UTC since 1970) and its sentences: GGA, GSA, RMC, ZDA and the antenna's state."""
        there = self.has_fix and not self.antenna_open
        clock, date = time.strftime("%H%M%S.00", time.gmtime(second)), time.gmtime(second)
        used = 14 + self._chance.randrange(6) if there else 0
        north = self.latitude + self._chance.gauss(0, NOISE_M) / METRES_PER_DEGREE
        east = self.longitude + self._chance.gauss(0, NOISE_M) / METRES_PER_DEGREE
        height = round(self.altitude + self._chance.gauss(0, 2 * NOISE_M), 1)
        (lat, lat_said), (lon, lon_said) = angle(north, 2), angle(east, 3)
        ns, ew = "S" if north < 0 else "N", "W" if east < 0 else "E"
        place = f"{lat},{ns},{lon},{ew}" if there else ",,,"
        of = self.talker
        bodies = [
            f"{of}GGA,{clock},{place},{int(there)},{used:02d},{'0.8' if there else '99.9'},"
            + (f"{height},M,-7.5,M,," if there else ",M,,M,,"),
            f"{of}GSA,A,{3 if there else 1},{'03,08,13' if there else ',,'},,,,,,,,,,1.4,0.8,1.1",
            f"{of}RMC,{clock},{'A' if there else 'V'},{place},0.00,,{time.strftime('%d%m%y', date)},,,"
            + ("A" if there else "N"),
            f"{of}ZDA,{clock},{time.strftime('%d,%m,%Y', date)},00,00",
            f"{of}TXT,01,01,01,ANTENNA {'OPEN' if self.antenna_open else 'OK'}",
        ]
        fix = Fix(
            FIX_SINGLE if there else FIX_NONE,
            -lat_said if north < 0 else lat_said,
            -lon_said if east < 0 else lon_said,
            height,
            used,
        )
        return fix, b"".join(sentence(body) for body in bodies)
