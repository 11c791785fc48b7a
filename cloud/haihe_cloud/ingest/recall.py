"""What this centre has said: its own retained receipts, read back from the broker before it says anything new.

A receipt that the ledger cannot stand by means that the ledger went back in time: its data were restored without a
word. Then stations believe receipts for what is no longer here, and only a new epoch, above all that was seen, makes
them send it again.
"""

import logging
import queue
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from haihe_contract.backoff import Patience
from haihe_contract.ed25519 import PublicKey
from haihe_contract.handshake import Handshake, Unanswered
from haihe_contract.receipt import Receipt, ReceiptRefused, verify
from haihe_contract.topic import ROOT, receipts_of, station_of_receipt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from haihe_cloud.database import DatabaseAway
from haihe_cloud.ledger.epoch import CONTRADICTED
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.limits import RECALL_QUEUE, RECALL_S, RECEIVE_MAXIMUM
from haihe_cloud.settings import BrokerSettings

from .subscriber import CONNECT_S, KEEPALIVE_S, tls_context, why

_log = logging.getLogger(__name__)
_AGAIN_S = 2.0
_PUT_S = 0.5


class RecallAway(Exception):
    """The receipts cannot be read back now; the text says why."""


class Said:
    """What the receipts of all stations say together.

    Args:
        highest: epoch of any of them.
        station: whose receipt contradicts the ledger, or empty.
        what: the contradiction, for people.
    """

    def __init__(self) -> None:
        self.count = 0
        self.highest = 0
        self.station = ""
        self.what = ""

    def take(self, stated: Receipt, ledger: Ledger, epoch: int) -> None:
        """Compare one receipt with the ledger."""
        self.count += 1
        self.highest = max(self.highest, stated.epoch)
        if self.what or stated.epoch < epoch:
            return
        if stated.epoch > epoch:
            self.station, self.what = stated.station, f"it is of epoch {stated.epoch}, the ledger of {epoch}"
            return
        for line, numbers in ledger.not_booked(stated).items():
            self.station, self.what = stated.station, f"it names {numbers} of line {line:016x}"
            return


class Recall:
    """Reads the receipts back once, before the worker begins; waits for the broker as long as it takes.

    Args:
        access: the broker.
        client_id: of a session that ends with it.
        key: that our receipts are signed with.
        ledger: what they are compared with.
        stop: ends the waiting.
    """

    def __init__(
        self, access: BrokerSettings, client_id: str, key: PublicKey, ledger: Ledger, stop: threading.Event
    ) -> None:
        self._access = access
        self._client_id = client_id
        self._key = key
        self._ledger = ledger
        self._stop = stop
        self._tls = tls_context(access)
        self._patience = Patience()
        self._handshake = Handshake(self._tls, self._patience.ms / 1000)
        self.trouble = "this centre's own receipts are not read back yet"
        """Why nothing is taken in yet; empty once the receipts were read."""

    def run(self) -> bool:
        """Read, compare, and begin a new epoch if need be; whether one was begun. Returns early when told to stop."""
        while not self._stop.is_set():
            try:
                said = self._read()
                begun = bool(said.what) and self._begin(said)
            except (RecallAway, DatabaseAway) as error:
                self.trouble = f"this centre's own receipts cannot be read back: {error}"
                self._stop.wait(_AGAIN_S)
            else:
                self.trouble = ""
                return begun
        return False

    def _begin(self, said: Said) -> bool:
        epoch = self._ledger.renew(CONTRADICTED, above=said.highest)
        _log.error(
            "this centre was restored from a backup without a word: the broker has a receipt of it for station %s that"
            " the ledger does not know (%s). Epoch %d begins; older receipts are void, stations send again what they"
            " still have",
            said.station,
            said.what,
            epoch,
        )
        return True

    def _read(self) -> Said:
        """Raises RecallAway when the broker is away, or does not let us read."""
        said, epoch = Said(), self._ledger.epoch
        for name, payload in self._retained():
            station = station_of_receipt(name)
            if station is None:
                continue
            try:
                stated = verify(payload, self._key, centre=self._ledger.centre, station=station)
            except ReceiptRefused as error:
                _log.warning("a receipt at the broker for station %s is not ours: %s", station, error)
                continue
            said.take(stated, self._ledger, epoch)
        _log.info("%d receipts of this centre were read back from the broker", said.count)
        return said

    def _retained(self) -> Iterator[tuple[str, bytes]]:
        """Every retained receipt of this centre."""
        ear = _Ear(self._client_id, self._tls, self._ledger.centre)
        self._handshake.seconds = self._patience.ms / 1000
        try:
            ear.listen(self._access)
            self._patience.answered()
            while True:
                try:
                    item = ear.came.get(timeout=RECALL_S)
                except queue.Empty:
                    raise RecallAway("the broker does not hand them out; its acl must let this centre read") from None
                if isinstance(item, RecallAway):
                    raise item
                if item[0] == ear.marker:
                    return
                yield item
        except Unanswered as error:
            self._patience.given_up()
            raise RecallAway(why(error)) from None
        finally:
            ear.close()


class _Ear:
    """A connection that asks for the receipts; a message of our own, sent behind the subscription, marks the end."""

    def __init__(self, client_id: str, tls: ssl.SSLContext, centre: str) -> None:
        self.came: queue.Queue[tuple[str, bytes] | RecallAway] = queue.Queue(RECALL_QUEUE)
        self.marker = f"{ROOT}/centre/{centre}/{secrets.token_hex(8)}"
        self._filters = (receipts_of(centre), self.marker)
        self._closed = threading.Event()
        client = self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _, __, message: self._put((message.topic, bytes(message.payload)))
        client.on_disconnect = lambda *_: self._put(RecallAway("the connection ended"))

    def listen(self, access: BrokerSettings) -> None:
        """Connect and ask.

        Raises:
            RecallAway: when nobody is there.
            Unanswered: when somebody is, and does not answer in time.
        """
        try:
            self._client.connect(access.host, access.port, keepalive=KEEPALIVE_S)
        except Unanswered:
            raise
        except (OSError, ValueError) as error:
            raise RecallAway(why(error)) from None
        self._client.loop_start()

    def close(self) -> None:
        """Leave the broker."""
        self._closed.set()
        self._client.disconnect()
        self._client.loop_stop()

    def _put(self, item: tuple[str, bytes] | RecallAway) -> None:
        while not self._closed.is_set():  # a full queue holds the broker back
            with suppress(queue.Full):
                self.came.put(item, timeout=_PUT_S)
                return

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, code: Any, ___: Any) -> None:
        if code.is_failure:
            self._put(RecallAway(f"the broker refuses the connection: {code}"))
            return
        client.subscribe([(each, SubscribeOptions(qos=1)) for each in self._filters])

    def _on_subscribe(self, client: mqtt.Client, _: Any, __: int, codes: Any, ___: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._put(RecallAway(f"the broker refuses the subscription: {refused[0]}"))
            return
        client.publish(self.marker, b"", qos=1)
