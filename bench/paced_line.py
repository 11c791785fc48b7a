"""An RS-485 line in a process of its own, true to the fraction of a millisecond, for figures about time.

    python bench/paced_line.py BAUD PARITY UNITS THINK_MS LATENCY_MS

One thing after the other, as on a wire: a request takes its bytes' time and 3.5 characters of silence, its
instrument thinks, the answer takes its bytes' time; LATENCY_MS later the adapter hands it over. A dead unit is
silence. The speed that the client has set is honoured: at another one nobody understands anything.

Prints the port; then takes lines ``dead UNIT``, ``alive UNIT`` and ``stats`` on standard input. ``stats`` prints how
many answers each unit gave, and how often somebody spoke while another was speaking or before the line had been
silent for 3.5 characters.
"""

import json
import os
import select
import struct
import sys
import termios
import time
import tty

from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.modbus.frames import crc16, quiet_ms

REQUEST_BYTES = 8
_SLICE = 4
_TOLERANCE_S = 0.0002


def framed(body: bytes) -> bytes:
    """With its checksum."""
    return body + crc16(body).to_bytes(2, "little")


class Line:
    """The wire with its instruments."""

    def __init__(self, baud: int, parity: str, units: int, think_ms: float, latency_ms: float) -> None:
        self.master, client = os.openpty()
        tty.setraw(client)
        self.port = os.ttyname(client)
        self.speed = getattr(termios, f"B{baud}")
        self.character_s = character_ms(baud, parity) / 1000
        self.quiet_s = quiet_ms(self.character_s * 1000) / 1000
        self.think_s, self.latency_s = think_ms / 1000, latency_ms / 1000
        self.answered = dict.fromkeys(range(1, units + 1), 0)
        self.dead: set[int] = set()
        self.collisions = 0
        self.free_s = 0.0

    def hear(self) -> None:
        """Take a request and answer it."""
        began = time.monotonic()
        self.collisions += began < self.free_s
        request = os.read(self.master, 1024)
        while len(request) < REQUEST_BYTES and select.select([self.master], [], [], 2 * self.quiet_s)[0]:
            request += os.read(self.master, 1024)
        until = began + len(request) * self.character_s + self.quiet_s
        wait_until(until)
        if termios.tcgetattr(self.master)[5] != self.speed or framed(request[:-2]) != request:
            return
        unit, _, _, count = struct.unpack(">BBHH", request[:6])
        if unit not in self.answered or unit in self.dead:
            return
        self.say(
            until + self.think_s, framed(request[:2] + bytes((2 * count,)) + struct.pack(f">{count}H", *[700] * count))
        )
        self.answered[unit] += 1

    def say(self, begin: float, answer: bytes) -> None:
        """Put an answer on the wire at its pace."""
        for at in range(0, len(answer), _SLICE):
            part = answer[at : at + _SLICE]
            wait_until(begin + (at + len(part)) * self.character_s + self.latency_s)
            if select.select([self.master], [], [], 0)[0]:
                self.collisions += 1
                os.read(self.master, 1024)
            os.write(self.master, part)
        self.free_s = begin + len(answer) * self.character_s + self.quiet_s - _TOLERANCE_S


def wait_until(moment: float) -> None:
    """Sleep as exactly as the machine can."""
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)


def main() -> None:
    """Serve until standard input ends."""
    baud, parity, units, think, latency = sys.argv[1:]
    line = Line(int(baud), parity, int(units), float(think), float(latency))
    print(line.port, flush=True)
    orders = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([line.master, orders], [], [])
        if line.master in ready:
            line.hear()
        if orders in ready:
            said = os.read(orders, 4096).decode()
            if not said:
                return
            for order in said.splitlines():
                obey(line, order.split())


def obey(line: Line, words: list[str]) -> None:
    """Do what was asked for on standard input."""
    if words[0] == "dead":
        line.dead.add(int(words[1]))
    elif words[0] == "alive":
        line.dead.discard(int(words[1]))
    else:
        print(json.dumps({"answered": line.answered, "collisions": line.collisions}), flush=True)


if __name__ == "__main__":
    main()
