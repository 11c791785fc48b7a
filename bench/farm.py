"""Modbus TCP instruments of 20 registers each, one port each, as lean as can be: they are not what is measured.

    python bench/farm.py COUNT

Prints the ports, then for each line on standard input how many requests have been answered so far.
"""

import asyncio
import random
import struct
import sys
from functools import partial

REGISTERS = 20
_REQUEST = struct.Struct(">HHHBBHH")
_ANSWER = struct.Struct(">HHHBBB")
answered = 0


class Instrument(asyncio.Protocol):
    """Answers reads of its registers; each answer moves one of them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.registers = [self.chance.randrange(100, 900) for _ in range(REGISTERS)]
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        global answered  # noqa: PLW0603 - one figure of the whole process
        self.heard += data
        while len(self.heard) >= _REQUEST.size:
            number, _, length, unit, function, start, count = _REQUEST.unpack_from(self.heard)
            self.heard = self.heard[6 + length :]
            at = self.chance.randrange(REGISTERS)
            self.registers[at] = max(100, min(900, self.registers[at] + self.chance.randint(-2, 2)))
            body = struct.pack(f">{count}H", *self.registers[start : start + count])
            head = _ANSWER.pack(number, 0, 3 + len(body), unit, function, len(body))
            self.transport.write(head + body)  # type: ignore[attr-defined]
            answered += 1


async def main(count: int) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(Instrument, seed), "127.0.0.1", 0) for seed in range(count)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(answered, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
