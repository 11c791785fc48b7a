"""The centre's connection to the broker: takes batches in, lets receipts out, comes back by itself.

Two of them run, one for alarms and live values and one for backlog, so that a backlog of any size cannot stand
in the broker's queue before what happens now.
"""

import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from haihe_contract.backoff import Backoff, Patience
from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.handshake import Handshake, Unanswered
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from haihe_cloud.limits import RECEIVE_MAXIMUM, RECONNECT_MS_MAX, ROOM_MS
from haihe_cloud.settings import BrokerSettings

from .inbox import Inbox, Message

_log = logging.getLogger(__name__)
CONNECT_S = 3.0
"""For TCP alone; a broker that has taken the connection has :class:`haihe_contract.backoff.Patience`."""
KEEPALIVE_S = 20
_SESSION_S = 7 * 86400
_PACKET_BYTES_MAX = 4 * 1024 * 1024
_OUTGOING = 1000


class Link(msgspec.Struct):
    """The state of the connection.

    Args:
        connected: whether batches can come now.
        since_ms: when that last changed, wall time.
        reason: why it is not connected, or empty.
        tries: failed tries since the last connection.
    """

    connected: bool = False
    since_ms: int = 0
    reason: str = "not tried yet"
    tries: int = 0


class Subscriber:
    """One MQTT session that hands messages to the inbox; they are acknowledged by whoever made them durable.

    Args:
        access: the broker.
        client_id: fixed, so that the broker keeps the session while the centre is down.
        filters: topic filters to subscribe.
        inbox: where messages go.
        urgent: which room of the inbox.
        clock: wall and monotonic time.
        chance: for the pauses between tries.
        forgotten: called after a connection for which the broker had kept no session.
    """

    def __init__(
        self,
        access: BrokerSettings,
        client_id: str,
        filters: Sequence[str],
        inbox: Inbox,
        *,
        urgent: bool,
        clock: Clock,
        chance: random.Random,
        forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self.link = Link(since_ms=clock.now_ms())
        self._access = access
        self._filters = filters
        self._inbox = inbox
        self._urgent = urgent
        self._clock = clock
        self._chance = chance
        self._backoff = Backoff(RECONNECT_MS_MAX)
        self._forgotten = forgotten
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._end_reason = ""
        self._connection = 0
        self._connected_ms = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = CONNECT_S
        self._client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        self._client.max_queued_messages_set(_OUTGOING)
        self._client.suppress_exceptions = True
        self._client.on_socket_open = _no_delay
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        context = tls_context(access)
        self._patience = Patience()
        self._handshake = Handshake(context, self._patience.ms / 1000)
        self._client.tls_set_context(context)

    def run(self) -> None:
        """Keep connected until told to stop."""
        while not self._stop.is_set():
            reason = self._once()
            if self._stop.is_set():
                break
            self._away(reason)
            if self._connected_ms:
                self._backoff.ended(self._clock.monotonic_ms() - self._connected_ms, useful=True)
            self._connected_ms = 0
            self._stop.wait(self._backoff.next_ms(self._chance.random()) / 1000)
        self.link = Link(False, self._clock.now_ms(), "stopped", 0)

    def _once(self) -> str:
        """Connect and stay until the connection ends; why it ended."""
        self._ended.clear()
        self._end_reason = ""
        # Before the new connection begins: an acknowledgement that the worker still owes the old one must not slip
        # into it. Mosquitto would count it as room for one more message, or call it a protocol error.
        self._connection += 1
        self._handshake.seconds = self._patience.ms / 1000
        try:
            self._client.connect(
                self._access.host,
                self._access.port,
                keepalive=KEEPALIVE_S,
                clean_start=False,
                properties=_connect_properties(),
            )
        except (OSError, ValueError) as error:  # ValueError: an address that no resolver takes
            if isinstance(error, Unanswered):
                self._patience.given_up()
            return why(error)
        self._client.loop_start()  # its thread ends with the connection, because it may not reconnect
        while not self._ended.wait(0.5) and not self._stop.is_set():
            pass
        self._client.disconnect()
        self._client.loop_stop()
        return self._end_reason or "disconnected"

    def stop(self) -> None:
        """End :meth:`run` soon; the session stays at the broker."""
        self._stop.set()
        self._handshake.end()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish retained, once or more (QoS 1); False when there is no connection."""
        return self._publish(topic, payload, retain=True)

    def tell(self, topic: str, payload: bytes) -> bool:
        """Publish for who listens now; False when there is no connection."""
        return self._publish(topic, payload, retain=False)

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        if not self.link.connected:
            return False
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return info.rc == mqtt.MQTT_ERR_SUCCESS

    def _away(self, reason: str) -> None:
        link = self.link
        if not link.tries or link.reason != reason:
            _log.warning("broker %s:%d: %s", self._access.host, self._access.port, reason)
        self.link = Link(False, link.since_ms, reason, link.tries + 1)

    def _on_connect(self, client: mqtt.Client, _: Any, flags: Any, code: Any, __: Any) -> None:
        if code.is_failure:
            self._end_reason = f"refuses the connection: {code}"
            client.disconnect()
            return
        self._connected_ms = self._clock.monotonic_ms()
        options = SubscribeOptions(qos=1)
        client.subscribe([(each, options) for each in self._filters])
        if flags.session_present:
            self._inbox.forget(urgent=self._urgent)  # could not be acknowledged any more, and comes again
        else:
            self._forgotten()

    def _on_subscribe(self, client: mqtt.Client, _: Any, __: int, codes: Any, ___: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._end_reason = f"refuses the subscription: {refused[0]}"
            client.disconnect()
            return
        _log.info("broker %s:%d: connected", self._access.host, self._access.port)
        self.link = Link(True, self._clock.now_ms(), "", 0)
        self._patience.answered()

    def _on_disconnect(self, _: Any, __: Any, flags: Any, code: Any, ___: Any) -> None:
        self._connection += 1
        self._end_reason = self._end_reason or f"disconnected: {code}"
        if self.link.connected:
            self.link = Link(False, self._clock.now_ms(), self._end_reason, 0)
        self._ended.set()

    def _on_publish(self, _: Any, __: Any, ___: int, code: Any, ____: Any) -> None:
        if code.is_failure:
            _log.error("broker %s refuses a receipt: %s; look at its acl", self._access.host, code)

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        connection, mid, qos = self._connection, message.mid, message.qos

        def acknowledge() -> None:
            # A number of an older connection may name another message now: that one must come again.
            if connection == self._connection:
                client.ack(mid, qos)

        try:
            name = message.topic
        except UnicodeDecodeError:
            name = ""
        taken = Message(name, bytes(message.payload), self._clock.now_ms(), acknowledge)
        until_ms = self._clock.monotonic_ms() + (ROOM_MS if qos > 0 else 0)

        def patient() -> bool:
            return self._clock.monotonic_ms() < until_ms and not self._stop.is_set()

        # While there is no room nothing more is read: TCP holds back a broker that sends more than it was asked for.
        # To hang up on it would not help, because it sends all of it again.
        if not self._inbox.put(taken, urgent=self._urgent, patient=patient) and qos > 0:
            # Nobody would ever acknowledge it, and its place in the broker's window would be lost for good.
            self._end_reason = "the waiting room is full; what is not acknowledged comes again"
            client.disconnect()


def _no_delay(_: mqtt.Client, __: Any, connection: Any) -> None:
    """Receipts are small and wanted now: they must not wait for the acknowledgement of what went before."""
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = _SESSION_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = _PACKET_BYTES_MAX
    return properties


def tls_context(access: BrokerSettings) -> ssl.SSLContext:
    """The TLS settings of the centre.

    Raises:
        FieldError: when a file is missing or is not what it should be.
    """
    for path in (Path(access.ca), Path(access.certificate), Path(access.key)):
        if not path.is_file():
            raise FieldError(
                "a file of the broker connection is missing",
                where=str(path),
                do="haihe-cloud init DIR makes all of them; haihe-cloud pki centre makes this one again",
            )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(access.ca)
        context.load_cert_chain(access.certificate, access.key)
    except (ssl.SSLError, OSError) as error:
        raise FieldError(
            f"the keys of the broker connection cannot be used: {error}",
            where=f"{access.ca}, {access.certificate}, {access.key}",
            do="haihe-cloud pki centre",
        ) from None
    return context


def why(error: Exception) -> str:
    """Why a connection could not be made, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, Unanswered):
        return "it takes the connection and does not answer; it may have very many to answer"
    if isinstance(error, TimeoutError):
        return "no answer"
    return str(error) or type(error).__name__
