"""A link between station and broker that can be cut, frozen, delayed, throttled and lossy: a TCP proxy."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from haihe_contract.errors import FieldError

CONNECTIONS_MAX = 64
_CHUNK = 16 * 1024
_SEGMENT = 1400
"""What a shaped link carries at once: about one TCP segment."""
BUFFER_BYTES = 256 * 1024
"""What the link takes in before it has carried it, as a modem does."""
RETRANSMIT_S = 0.2
"""A lost segment, and all behind it, comes so much later than the round trip that shows the loss."""


class LinkState(StrEnum):
    """What the link does now."""

    OPEN = "open"
    CUT = "cut"  # connections are reset, new ones refused
    FROZEN = "frozen"  # everything stays connected and nothing passes


class Link:
    """Forwards one listening port to a target.

    Args:
        target: host and port behind the link.
        host: address to listen at.
        port: 0 for any free one; the chosen one is in ``port`` after :meth:`start`.
        chance: for losses.
    """

    def __init__(
        self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0, chance: random.Random | None = None
    ) -> None:
        self.target = target
        self.host, self.port = host, port
        self.state = LinkState.OPEN
        self._flows = asyncio.Event()
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self.loss = 0.0
        self._chance = chance or random.Random(1)
        self._free_s = {True: 0.0, False: 0.0}
        self.carried_up = 0
        self.carried_down = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen, and forward what comes."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        self.state = LinkState.OPEN
        self._flows.set()

    async def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self.state = LinkState.CUT
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        for task in list(self._pairs):
            task.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def freeze(self) -> None:
        """Let nothing pass while all connections seem alive, as a modem without a carrier does."""
        self.state = LinkState.FROZEN
        self._flows.clear()

    async def mend(self) -> None:
        """Everything passes again."""
        await self.start()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def order(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Do one order of the control: ``{"do": "cut" | "freeze" | "mend" | "shape" | "status", …}``.

        Raises:
            FieldError: when there is no such order.
        """
        match message.get("do"):
            case "cut":
                await self.cut()
            case "freeze":
                await self.freeze()
            case "mend":
                await self.mend()
            case "shape":
                self.delay_s = max(0.0, float(message.get("delay_s", self.delay_s)))
                self.bytes_per_s = max(0.0, float(message.get("bytes_per_s", self.bytes_per_s)))
                self.loss = min(0.9, max(0.0, float(message.get("loss", self.loss))))
            case "status":
                pass
            case other:
                raise FieldError(
                    f"the link does not know the order {other!r}",
                    do='write one line such as {"do": "cut"}; orders are cut, freeze, mend, shape, status',
                )
        return {
            "state": self.state,
            "port": self.port,
            "connections": len(self._writers) // 2,
            "delay_s": self.delay_s,
            "bytes_per_s": self.bytes_per_s,
            "loss": self.loss,
            "bytes_up": self.carried_up,
            "bytes_down": self.carried_down,
        }

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.state is LinkState.CUT or len(self._pairs) >= CONNECTIONS_MAX:
            _reset(writer)
            return
        self._pairs.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(*self.target)
            self._writers.add(far)
            up = asyncio.ensure_future(self._pump(reader, far, up=True))
            down = asyncio.ensure_future(self._pump(far_reader, writer, up=False))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the far side is away, or the link was cut: either way this pair is over
        finally:
            self._pairs.discard(task)
            for each in (writer, far):
                if each is not None:
                    self._writers.discard(each)
                    _reset(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """Take in, and give out when it would have arrived: what is under way delays nothing else."""
        way = _Way()
        giving = asyncio.ensure_future(self._give_out(way, writer, up=up))
        try:
            while not giving.done() and (data := await reader.read(_SEGMENT if self._is_shaped else _CHUNK)):
                way.put(data, self._arrives_s(len(data), up=up))
                while way.bytes >= BUFFER_BYTES and not giving.done():
                    way.moved.clear()
                    await way.moved.wait()
            way.put(b"", 0.0)
            await giving
        finally:
            giving.cancel()

    @property
    def _is_shaped(self) -> bool:
        return bool(self.bytes_per_s or self.loss)

    def _arrives_s(self, size: int, *, up: bool) -> float:
        """When, by the loop's time, so many bytes that leave now arrive. All connections share the link."""
        now = asyncio.get_running_loop().time()
        lost = self.loss > 0 and self._chance.random() < self.loss
        if self.bytes_per_s:
            now = self._free_s[up] = max(now, self._free_s[up]) + (1 + lost) * size / self.bytes_per_s
        return now + self.delay_s + lost * (RETRANSMIT_S + 2 * self.delay_s)

    async def _give_out(self, way: "_Way", writer: asyncio.StreamWriter, *, up: bool) -> None:
        while data := await way.take():
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
            if up:
                self.carried_up += len(data)
            else:
                self.carried_down += len(data)


class _Way:
    """Bytes under way in one direction of a connection, in order."""

    def __init__(self) -> None:
        self.bytes = 0
        self.moved = asyncio.Event()
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._last_s = 0.0

    def put(self, data: bytes, due_s: float) -> None:
        """They arrive then, and not before what went before them."""
        self._last_s = max(self._last_s, due_s)
        self.bytes += len(data)
        self._queue.put_nowait((self._last_s, data))

    async def take(self) -> bytes:
        """The next ones, when they have arrived."""
        due_s, data = await self._queue.get()
        await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
        self.bytes -= len(data)
        self.moved.set()
        return data


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, so that the other side knows at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
