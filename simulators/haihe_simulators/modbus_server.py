"""The same instruments behind Modbus TCP (MODBUS Messaging on TCP/IP V1.0b: seven bytes of header, no CRC)."""

import asyncio
import contextlib
import struct
from collections.abc import Sequence

from .fault import Fault
from .instrument import Instrument

CLIENTS_MAX = 16
_HEADER = struct.Struct(">HHHB")
_PDU_BYTES_MAX = 253


class ModbusServer:
    """Serves instruments by unit on one TCP port.

    Args:
        instruments: who can be asked, each with its own unit.
        host: address to listen at.
        port: 0 for any free one; the chosen one is in ``port`` after :meth:`start`.
    """

    def __init__(self, instruments: Sequence[Instrument], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.units = {instrument.unit: instrument for instrument in instruments}
        self.host, self.port = host, port
        self.faults: dict[int, Fault] = {}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every client; :meth:`start` brings it back on the same port."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        self._clients.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the server is closing; asyncio logs a cancelled client as an error otherwise
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol != 0 or not 2 <= length <= _PDU_BYTES_MAX + 1:
                return
            request = await reader.readexactly(length - 1)
            begin = loop.time()
            instrument = self.units.get(unit)
            fault = self.faults.get(unit, Fault.NONE)
            answer = await instrument.converse(request, fault) if instrument is not None else None
            if instrument is None or answer is None:
                continue
            frame = _HEADER.pack(transaction, 0, len(answer.pdu) + 1, unit) + answer.pdu
            if fault is Fault.HALF:
                frame = frame[: len(frame) // 2]
            writer.write(frame)
            await writer.drain()
            if fault is Fault.HALF:
                return
            instrument.given(answer, (loop.time() - begin) * 1000)
