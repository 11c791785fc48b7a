"""Bytes in and out: a serial port, or a TCP connection. The only place that opens one."""

import asyncio
import contextlib
import os
import termios
from collections.abc import Callable
from typing import Protocol

import serial
import serial.rs485
from haihe_contract.quality import Reason

from haihe_edge import limits

from .adapter import Whereabouts
from .exchange import ExchangeError

_PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class BusDown(ExchangeError):
    """The port or connection cannot be used."""

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(Reason.BUS_DOWN, sentence, **facts)


class Line(Protocol):
    """Bytes in both directions.

    ``buffer`` holds what has arrived, at most :data:`limits.LINE_BYTES_MAX`, the newest; who reads it deletes.
    A line that ``dies_silently`` can look open although nobody is at its other end any more.
    """

    name: str
    dies_silently: bool

    @property
    def buffer(self) -> bytearray:
        """What has arrived."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether bytes can pass."""
        ...

    async def open(self) -> None:
        """Open it.

        Raises:
            BusDown: when it cannot be opened now.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send, in one piece.

        Raises:
            BusDown: when it is broken; it is closed then.
        """
        ...

    async def more(self) -> None:
        """Return when bytes have come since the last call.

        Raises:
            BusDown: when it broke; it is closed then.
        """
        ...

    def close(self) -> None:
        """Close it; may be called twice."""
        ...


class _Inbox:
    """What arrived, and the wish to be told."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.broken: BusDown | None = None
        self._event = asyncio.Event()

    def put(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > limits.LINE_BYTES_MAX:
            del self.buffer[: -limits.LINE_BYTES_MAX]
        self._event.set()

    def end(self, why: BusDown) -> None:
        self.broken = self.broken or why
        self._event.set()

    async def more(self) -> None:
        await self._event.wait()
        self._event.clear()
        if self.broken:
            raise self.broken


Turn = Callable[[serial.Serial], None]
"""Prepares an open port for the direction of RS-485."""


def kernel_turns(port: serial.Serial) -> None:
    """Let the kernel switch the transmitter of RS-485 on and off by RTS (TIOCSRS485).

    Raises:
        OSError: when the driver of that port cannot.
        ValueError: the same, as pyserial says it.
    """
    port.rs485_mode = serial.rs485.RS485Settings(rts_level_for_tx=True, rts_level_for_rx=False)


def adapter_turns(port: serial.Serial) -> None:
    """Nothing to do: the adapter switches its transmitter by itself, or the line is no RS-485."""


class SerialLine:
    """A serial port, real or pseudo, read as the event loop sees bytes on it.

    Args:
        port: the device, or ``usb:`` and the socket that it is plugged into; see :class:`Whereabouts`.
        baud: bits per second.
        parity: none, even or odd.
        stop_bits: 1 or 2.
        turn: who switches the transmitter of RS-485: :func:`kernel_turns` or :func:`adapter_turns`.
        whereabouts: how the port is found, unless it is the machine's usual way.
    """

    dies_silently = False

    def __init__(
        self,
        port: str,
        baud: int,
        parity: str = "none",
        stop_bits: int = 1,
        *,
        turn: Turn = adapter_turns,
        whereabouts: Whereabouts | None = None,
    ) -> None:
        self.name = port
        self._turn = turn
        self._whereabouts = whereabouts or Whereabouts(port)
        self._baud, self._parity, self._stop_bits = baud, _PARITIES[parity], stop_bits
        self._port: serial.Serial | None = None
        self._fd = -1
        self._inbox = _Inbox()

    @property
    def buffer(self) -> bytearray:
        """What has arrived."""
        return self._inbox.buffer

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._port is not None

    async def open(self) -> None:
        """Open the port for us alone.

        Raises:
            BusDown: when it is away, busy or not ours to open.
        """
        self.close()
        device = self._whereabouts.device()
        try:
            port = self._opened(device)
        except (serial.SerialException, OSError, ValueError, termios.error) as error:
            raise BusDown("port {port}: {why}", port=self.name, why=_why(error)) from None
        self._whereabouts.opened(device)
        self._port, self._fd, self._inbox = port, port.fileno(), _Inbox()
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _opened(self, device: str) -> serial.Serial:
        # Opening does not wait: pyserial opens without blocking. Nobody else may talk on the line.
        port = serial.Serial(
            device, self._baud, parity=self._parity, stopbits=self._stop_bits, timeout=0, exclusive=True
        )
        try:
            self._turn(port)
        except (OSError, ValueError):
            port.close()
            raise
        # USB adapters hold bytes back for 16 ms unless asked not to; many ports know no such wish.
        with contextlib.suppress(OSError, ValueError):
            port.set_low_latency_mode(True)
        return port

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, limits.LINE_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(_why(error))
            return
        if data:
            self._inbox.put(data)
        else:
            self._lost("the device has gone")

    def _lost(self, why: str) -> None:
        inbox = self._inbox
        self.close()
        inbox.end(BusDown("port {port}: {why}", port=self.name, why=why))

    def write(self, data: bytes) -> None:
        """Send. A request is shorter than any driver's buffer, so this never waits.

        Raises:
            BusDown: when the port is broken.
        """
        if self._port is None:
            raise self._inbox.broken or BusDown("port {port}: {why}", port=self.name, why="not open")
        try:
            sent = os.write(self._fd, data)
        except OSError as error:
            self._lost(_why(error))
            raise self._inbox.broken or BusDown("port {port}: {why}", port=self.name, why=_why(error)) from None
        if sent != len(data):
            self._lost("does not take what is sent")
            raise BusDown("port {port}: {why}", port=self.name, why="does not take what is sent")

    def hold_break(self, on: bool) -> None:
        """Begin or end a break: the line spaces without letters.

        Raises:
            BusDown: when the port is broken, or knows no break.
        """
        self._set(lambda port: setattr(port, "break_condition", on))

    def set_baud(self, baud: int) -> None:
        """Change the speed of the open port.

        Raises:
            BusDown: when the port is broken.
        """
        self._set(lambda port: setattr(port, "baudrate", baud))

    def _set(self, change: Callable[[serial.Serial], None]) -> None:
        if self._port is None:
            raise self._inbox.broken or BusDown("port {port}: {why}", port=self.name, why="not open")
        try:
            change(self._port)
        except (OSError, ValueError, termios.error, serial.SerialException) as error:
            self._lost(_why(error))
            raise BusDown("port {port}: {why}", port=self.name, why=_why(error)) from None

    async def more(self) -> None:
        """Return when bytes have come.

        Raises:
            BusDown: when the port is broken.
        """
        await self._inbox.more()

    def close(self) -> None:
        """Close the port."""
        if self._port is None:
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        # An unplugged adapter may refuse even its closing.
        with contextlib.suppress(OSError, termios.error, serial.SerialException):
            self._port.close()
        self._port, self._fd = None, -1


class TcpLine:
    """A TCP connection to an instrument, a gateway or a serial server.

    Args:
        host: name or address.
        port: TCP port.
    """

    dies_silently = True

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self._host, self._port = host, port
        self._transport: asyncio.Transport | None = None
        self._inbox = _Inbox()

    @property
    def buffer(self) -> bytearray:
        """What has arrived."""
        return self._inbox.buffer

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._transport is not None

    async def open(self) -> None:
        """Connect, within :data:`limits.CONNECT_S_MAX`.

        Raises:
            BusDown: when nobody takes the connection.
        """
        self.close()
        inbox = self._inbox = _Inbox()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.CONNECT_S_MAX):
                transport, _ = await loop.create_connection(lambda: _Receiver(self, inbox), self._host, self._port)
        except TimeoutError:
            raise BusDown("{address}: no connection, no answer", address=self.name) from None
        except OSError as error:
            raise BusDown("{address}: {why}", address=self.name, why=_why(error)) from None
        self._transport = transport

    def lost(self, inbox: _Inbox, why: str) -> None:
        """The connection has ended (called by its receiver)."""
        inbox.end(BusDown("{address}: {why}", address=self.name, why=why))
        if inbox is self._inbox:
            self._transport = None

    def write(self, data: bytes) -> None:
        """Send.

        Raises:
            BusDown: when the connection has ended.
        """
        if self._transport is None:
            raise self._inbox.broken or BusDown("{address}: {why}", address=self.name, why="not open")
        self._transport.write(data)

    async def more(self) -> None:
        """Return when bytes have come.

        Raises:
            BusDown: when the connection has ended.
        """
        await self._inbox.more()

    def close(self) -> None:
        """Close the connection, dropping what is under way."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class _Receiver(asyncio.Protocol):
    """One connection's ear: belongs to one inbox, so a dying connection never speaks into the next one."""

    def __init__(self, line: TcpLine, inbox: _Inbox) -> None:
        self._line, self._inbox = line, inbox

    def data_received(self, data: bytes) -> None:
        self._inbox.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        why = _why(exc) if isinstance(exc, OSError) else "the other side closed the connection"
        self._line.lost(self._inbox, why)


def _why(error: Exception) -> str:
    """What the machine says, without its numbers and names of classes."""
    cause = error.__context__ if isinstance(error, serial.SerialException) and error.__context__ else error
    number = cause.errno or 0 if isinstance(cause, OSError) else 0
    if number > 0:  # asyncio puts words of its own into strerror
        return os.strerror(number)
    if isinstance(cause, OSError) and cause.strerror:
        return str(cause.strerror)
    return str(error)
