"""As much of MQTT 5 as a station needs, on one asyncio transport: thousands of them fit into one process.

CONNECT, SUBSCRIBE and PUBLISH with QoS 1 out; PUBLISH in, acknowledged; PINGREQ. Packet layouts are those of the
OASIS standard MQTT 5.0, chapters 2 and 3. No properties are sent; those that come are skipped.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable

KEEPALIVE_S = 20
HANDSHAKE_S_MAX = 300.0
"""Whoever connects has a shorter limit of his own; that of asyncio would be in its way."""
PACKET_BYTES_MAX = 64 * 1024
"""What a station has to expect is a receipt of 4 KiB."""
REFUSED_FROM = 0x80
_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _PINGREQ = 1, 2, 3, 4, 8, 9, 12
_QOS_1 = 0b0010
_CLEAN_START = 0b10


class BrokerRefused(Exception):
    """The broker answered, and said no."""


def varint(number: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (128 if number else 0))
        if not number:
            return bytes(out)


def text(words: str) -> bytes:
    """A UTF-8 string with its length (1.5.4)."""
    data = words.encode()
    return struct.pack(">H", len(data)) + data


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet with its fixed header (2.1)."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


async def dial(host: str, port: int) -> socket.socket:
    """A TCP connection.

    Raises:
        OSError: when there is none.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)  # noqa: FBT003 - as in socket
    try:
        await asyncio.get_running_loop().sock_connect(made, (host, port))
    except BaseException:
        made.close()
        raise
    return made


class LightMqtt(asyncio.Protocol):
    """One connection.

    Args:
        heard: told of each message that comes: topic and payload.
        answered: told of each acknowledgement: packet id, and whether the broker took it.
    """

    def __init__(self, heard: Callable[[str, bytes], None], answered: Callable[[int, bool], None]) -> None:
        loop = asyncio.get_running_loop()
        self._heard, self._answered = heard, answered
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._next = 1
        self.last_sent_s = loop.time()

    @classmethod
    async def connect(
        cls,
        dialled: socket.socket,
        host: str,
        tls: ssl.SSLContext,
        client: str,
        topic: str,
        heard: Callable[[str, bytes], None],
        answered: Callable[[int, bool], None],
    ) -> "LightMqtt":
        """Begin TLS on a TCP connection, connect and subscribe to one topic.

        Raises:
            BrokerRefused: when the broker says no to either.
            OSError: when there is no connection (ssl.SSLError is one), or it ended before it was of use.
        """
        loop = asyncio.get_running_loop()
        # The socket is asyncio's from here on: to close it beside asyncio would give its number away too early.
        transport, made = await loop.create_connection(
            lambda: cls(heard, answered), sock=dialled, ssl=tls, server_hostname=host,
            ssl_handshake_timeout=HANDSHAKE_S_MAX,
        )  # fmt: skip
        try:
            await made.join(client, topic)
        except BaseException:
            transport.abort()
            raise
        return made

    async def join(self, client: str, topic: str) -> None:
        """Say who we are, and what we want to hear.

        Raises:
            BrokerRefused: when the broker says no to either.
            OSError: when the connection ended.
        """
        hello = text("MQTT") + bytes([5, _CLEAN_START]) + struct.pack(">H", KEEPALIVE_S) + b"\0" + text(client)
        self.write(packet(_CONNECT, hello))
        await self._done()
        self.write(packet(_SUBSCRIBE, struct.pack(">H", self._id()) + b"\0" + text(topic) + b"\x01", _QOS_1))
        await self._done()

    async def _done(self) -> None:
        """Wait for the answer to what was just asked."""
        await self._waiting
        self._waiting = asyncio.get_running_loop().create_future()

    def publish(self, topic: str, payload: bytes) -> int:
        """Hand over with QoS 1; its packet id."""
        number = self._id()
        self.write(packet(_PUBLISH, text(topic) + struct.pack(">H", number) + b"\0" + payload, _QOS_1))
        return number

    def ping(self, now_s: float) -> None:
        """Say that we are there, if nothing has been said for half the time the broker waits."""
        if now_s - self.last_sent_s > KEEPALIVE_S / 2:
            self.write(packet(_PINGREQ, b""))

    def write(self, data: bytes) -> None:
        """Send; nothing happens on a connection that has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self.last_sent_s = asyncio.get_running_loop().time()

    def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _id(self) -> int:
        number = self._next
        self._next = number % 0xFFFF + 1
        return number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport  # type: ignore[assignment]
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._fail(exc if isinstance(exc, OSError) else ConnectionResetError("the broker ended the connection"))
        if not self.ended.done():
            self.ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._waiting.done():
            self._waiting.set_exception(error)
            self._waiting.exception()  # seen: perhaps nobody waits

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._buffer += data
        while (whole := self._take()) is not None:
            self._see(*whole)

    def _take(self) -> tuple[int, bytes] | None:
        """The first whole packet in the buffer."""
        buffer, size, shift = self._buffer, 0, 0
        for at in range(1, min(5, len(buffer))):
            size |= (buffer[at] & 127) << shift
            shift += 7
            if buffer[at] < 128:
                if size > PACKET_BYTES_MAX:
                    self.close()
                    return None
                if len(buffer) < at + 1 + size:
                    return None
                kind, body = buffer[0], bytes(buffer[at + 1 : at + 1 + size])
                del buffer[: at + 1 + size]
                return kind, body
        return None

    def _see(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _CONNACK:
            self._answer(body[1])
        elif kind == _SUBACK:
            self._answer(body[-1])
        elif kind == _PUBACK:
            self._answered(struct.unpack_from(">H", body)[0], len(body) < 3 or body[2] < REFUSED_FROM)
        elif kind == _PUBLISH:
            self._message(first, body)

    def _answer(self, code: int) -> None:
        if code >= REFUSED_FROM:
            self._fail(BrokerRefused(f"reason code 0x{code:02x}"))
        elif not self._waiting.done():
            self._waiting.set_result(None)

    def _message(self, first: int, body: bytes) -> None:
        (length,) = struct.unpack_from(">H", body)
        topic, at = body[2 : 2 + length].decode("utf-8", "replace"), 2 + length
        if first & _QOS_1:
            self.write(packet(_PUBACK, body[at : at + 2]))
            at += 2
        size = shift = 0
        while True:  # the length of the properties
            digit = body[at]
            at += 1
            size |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        self._heard(topic, body[at + size :])
