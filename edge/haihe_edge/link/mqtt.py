"""MQTT v5 over TLS through paho, as a link.

paho runs its own network thread; this class carries its callbacks over to the event loop and nothing more.
It never reconnects by itself: when to try again is decided by :mod:`haihe_contract.backoff`. paho is used
directly because wrappers around it swallow an acknowledgement that says "refused".
"""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from haihe_contract import wire
from haihe_contract.backoff import Patience
from haihe_contract.clock import SystemClock
from haihe_contract.handshake import Handshake, Unanswered, hang_up
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from haihe_edge.forward.flow import Grant
from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.site import Centre

from .tolerated import Tolerated

TCP_TIMEOUT_S = 4.0
"""For TCP alone, in a thread that nobody can call back; for TLS, CONNACK and SUBACK there is :class:`Patience`."""
KEEPALIVE_S = 20
CLOSE_S = 2.0
"""So long a frozen link may keep us from ending the connection in order."""
INCOMING_MAX = 256
UNANSWERED_MAX = 64
HEADER_BYTES = 128
"""Of a publish, at most: fixed header, topic, packet id, alias."""
_BY_CONTENT = {128, 131, 149, 153}
"""Reason codes (MQTT 5, 3.4.2.1) that another content or size may avoid: unspecified, implementation specific,
packet too large, payload format invalid."""
_BY_SIZE = {130, 149}
"""With which a connection may end over the size of a message: protocol error, packet too large."""


class MqttLink:
    """A connection to one broker as one station.

    Args:
        station: user name by certificate.
        host: of the broker.
        port: of the broker.
        ca: certificate of the authority that signed the broker's.
        certificate: this station's.
        key: this station's.
        topics: what to subscribe to.
        keepalive_s: after so long without a word the broker is asked whether it is there.
        client: client id, the station's if empty. A second connection with the same one pushes the first off.
    """

    def __init__(
        self,
        *,
        station: str,
        host: str,
        port: int,
        ca: Path,
        certificate: Path,
        key: Path,
        topics: list[str],
        keepalive_s: int = KEEPALIVE_S,
        client: str = "",
    ) -> None:
        self.incoming: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(INCOMING_MAX)
        self._client_id, self._host, self._port = client or station, host, port
        self._ca, self._certificate, self._key = ca, certificate, key
        self._topics = topics
        self._keepalive_s = keepalive_s
        self._grant = Grant()
        self._patience = Patience()
        self._clock = SystemClock()
        self._handshake: Handshake | None = None
        self._client: paho.Client | None = None
        self._ready: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[str] | None = None
        self._waiting: dict[int, tuple[asyncio.Future[None], int]] = {}
        """By packet id: who waits for the broker's answer, and the bytes of the payload."""
        self._tolerated = Tolerated()
        self._aliases = _Aliases(0)

    async def connect(self) -> Grant:
        """Connect and subscribe (see the port)."""
        loop = asyncio.get_running_loop()
        self._ready, self._ended = loop.create_future(), loop.create_future()
        self._waiting, self._aliases = {}, _Aliases(0)
        client = self._make(loop)
        self._client = client
        patience_s, is_taken = self._patience.ms / 1000, False
        try:
            async with asyncio.timeout(TCP_TIMEOUT_S + patience_s):
                await asyncio.to_thread(self._dial, client)
                is_taken = True
                client.loop_start()
                await self._ready
        except TimeoutError as error:
            await self.close()
            if is_taken or isinstance(error, Unanswered):
                self._patience.given_up()
                raise LinkDown(
                    f"{self._host}:{self._port} took the connection and did not answer within {patience_s:.0f} s"
                ) from None
            raise LinkDown(f"no answer from {self._host}:{self._port} within {TCP_TIMEOUT_S:.0f} s") from None
        except (OSError, ValueError) as error:
            await self.close()
            raise LinkDown(f"{self._host}:{self._port}: {_reason(error)}") from None
        except LinkDown:
            await self.close()
            raise
        self._patience.answered()
        most = self._tolerated.bytes_max(self._clock.monotonic_ms())
        return self._grant._replace(payload_bytes_max=min(self._grant.payload_bytes_max, most))

    def _dial(self, client: paho.Client) -> None:
        """Connect, in a thread.

        If we were given up meanwhile the connection must go at once: a second one with the same client id would
        push the next attempt off the broker.
        """
        client.connect(self._host, self._port, self._keepalive_s, clean_start=True)
        if client is not self._client:
            dialled = client.socket()
            if dialled is not None:
                dialled.close()

    def _make(self, loop: asyncio.AbstractEventLoop) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        try:
            context = ssl.create_default_context(cafile=str(self._ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise LinkDown(f"the certificates cannot be used: {_reason(error)} ({self._certificate})") from None
        self._handshake = Handshake(context, self._patience.ms / 1000)
        client.tls_set_context(context)
        client.connect_timeout = TCP_TIMEOUT_S
        client.max_inflight_messages_set(UNANSWERED_MAX)

        def over(function: Any) -> Any:
            """Carry a callback of paho's thread over to the loop."""

            def call(*arguments: Any) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is interested any more
                    loop.call_soon_threadsafe(function, client, *arguments[2:])

            return call

        client.on_socket_open = _no_delay
        client.on_connect = over(self._connected)
        client.on_subscribe = over(self._subscribed)
        client.on_disconnect = over(self._disconnected)
        client.on_message = over(self._message)
        client.on_publish = over(self._published)
        return client

    def _connected(self, client: paho.Client, _flags: Any, reason: ReasonCode, properties: Properties) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            self._fail(LinkDown(f"the broker refused the connection: {reason}"))
        else:
            self._aliases = _Aliases(getattr(properties, "TopicAliasMaximum", 0))
            self._grant = _granted(properties)
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._topics])

    def _subscribed(self, client: paho.Client, _mid: int, reasons: list[ReasonCode], _properties: Properties) -> None:
        if client is not self._client or self._ready is None:
            return
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            self._fail(LinkDown(f"the broker refused to send receipts: {refused[0]}"))
        elif not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, error: LinkDown) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # seen: whoever waits hears it, and nobody need wait

    def _disconnected(self, client: paho.Client, _flags: Any, reason: ReasonCode, _properties: Properties) -> None:
        if client is not self._client:
            return
        if self._ready is not None and not self._ready.done():
            self._end(
                "the broker ended it before it answered; is the station's certificate from the broker's authority, "
                "and still valid?"
            )
        else:
            if reason.value in _BY_SIZE and self._waiting:
                self._tolerated.ended(max(size for _, size in self._waiting.values()), self._clock.monotonic_ms())
            self._end(str(reason))

    def _end(self, why: str) -> None:
        self._fail(LinkDown(f"the connection ended: {why}"))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(why)
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(LinkDown(f"the connection ended: {why}"))
        self._waiting = {}

    def _message(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        if client is not self._client:
            return
        if self.incoming.full():  # receipts are cumulative within their topic: the newest says it all
            self.incoming.get_nowait()
        self.incoming.put_nowait((message.topic, bytes(message.payload)))

    def _published(self, client: paho.Client, mid: int, reason: ReasonCode, _properties: Properties) -> None:
        future, size = self._waiting.pop(mid, (None, 0)) if client is self._client else (None, 0)
        if future is None or future.done():
            return
        if reason.is_failure:
            future.set_exception(PublishRefused(str(reason), by_content=reason.value in _BY_CONTENT))
        else:
            self._tolerated.taken(size)
            future.set_result(None)

    def publish(self, topic: str, payload: bytes) -> "asyncio.Future[None]":
        """Hand over with QoS 1 (see the port)."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._client is None or self._ended is None or self._ended.done():
            future.set_exception(LinkDown("not connected"))
            return future
        name, properties = self._aliases.of(topic)
        try:
            info = self._client.publish(name, payload, qos=1, properties=properties)
        except ValueError as error:
            future.set_exception(PublishRefused(str(error), by_content=True))
            return future
        if info.rc != paho.MQTT_ERR_SUCCESS:
            future.set_exception(LinkDown(paho.error_string(info.rc)))
        else:
            self._waiting[info.mid] = future, len(payload)
            aliases = self._aliases
            future.add_done_callback(lambda done: None if _failed(done) else aliases.taken(topic))
        return future

    async def closed(self) -> str:
        """Wait for the end of the connection (see the port)."""
        if self._ended is None:
            return "never connected"
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End the connection in order (see the port)."""
        client, self._client = self._client, None
        if self._handshake is not None:
            self._handshake.end()
        if client is not None:
            client.disconnect()
            stopping = asyncio.ensure_future(asyncio.to_thread(client.loop_stop))
            # Not asyncio.wait_for: up to Python 3.11 it swallows a cancellation that comes as the thread ends.
            stopped, _ = await asyncio.wait({stopping}, timeout=CLOSE_S)
            if not stopped:  # paho waits for bytes to leave that never will
                hang_up(client.socket())
            await stopping
        self._end("closed")


def link_to(
    centre: Centre, station: str, topics: list[str], *, keepalive_s: int = KEEPALIVE_S, client: str = ""
) -> MqttLink:
    """The link to a centre of the site file, with the keys that it names; the rest is as for :class:`MqttLink`."""
    return MqttLink(
        station=station,
        host=centre.host,
        port=centre.port,
        ca=centre.ca,
        certificate=centre.certificate,
        key=centre.key,
        topics=topics,
        keepalive_s=keepalive_s,
        client=client,
    )


class _Aliases:
    """Numbers for topics, so that a topic crosses the link once a connection (MQTT 5, 3.3.2.3.4).

    They end with the connection, as everything that paho keeps for sending again does. A topic goes along with
    its number until the broker has taken a message with both.

    Args:
        most: how many the broker keeps.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._numbers: dict[str, int] = {}
        self._taken: set[str] = set()

    def of(self, topic: str) -> tuple[str, Properties | None]:
        """The topic as it is sent, and what goes with it."""
        number = self._numbers.get(topic)
        if number is None:
            if len(self._numbers) >= self._most:
                return topic, None
            number = self._numbers[topic] = len(self._numbers) + 1
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.TopicAlias = number
        return "" if topic in self._taken else topic, properties

    def taken(self, topic: str) -> None:
        """The broker has taken a message with topic and number."""
        if topic in self._numbers:
            self._taken.add(topic)


def _failed(done: "asyncio.Future[None]") -> bool:
    return done.cancelled() or done.exception() is not None


def _granted(properties: Properties) -> Grant:
    """What the CONNACK says of limits; those that it does not name are MQTT's own, and there ours are narrower."""
    unanswered = min(UNANSWERED_MAX, getattr(properties, "ReceiveMaximum", UNANSWERED_MAX))
    packet = getattr(properties, "MaximumPacketSize", wire.BATCH_BYTES_MAX + HEADER_BYTES)
    return Grant(unanswered, max(1, min(wire.BATCH_BYTES_MAX, packet - HEADER_BYTES)))


def _no_delay(_client: paho.Client, _userdata: Any, connection: Any) -> None:
    """A live batch is small and wanted now: it must not wait for the acknowledgement of the one before."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
