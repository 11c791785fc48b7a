"""A broker and the network around it: it delays, repeats, reorders, drops what it acknowledged, and forgets.

One for each centre. What it does to a message is drawn from the weather; what happens to it is said by the plan.
"""

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple

from haihe_contract import topic
from haihe_contract.record import LANE_BACKLOG, LANE_NAMES
from haihe_edge.forward.port import LinkDown, PublishRefused

from .life import Life

_BACKLOG = "/" + LANE_NAMES[LANE_BACKLOG]


class Weather(NamedTuple):
    """Shares of messages, and times in seconds, of one seed.

    Args:
        delay_s: usual time on the way.
        drop: share that the broker acknowledges and drops.
        vanish: share that never arrives, without a word.
        repeat: share that arrives twice, the second time up to an hour later.
        overtake: share that is overtaken by later ones.
        damage: share of which a byte is flipped.
        stale: share of receipts that come together with an old one.
        snap: share of messages that end the connection, and are lost with it.
    """

    delay_s: float
    drop: float
    vanish: float
    repeat: float
    overtake: float
    damage: float
    stale: float
    snap: float


class Waiting(NamedTuple):
    """A message for the centre that it has not acknowledged."""

    id: int
    topic: str
    payload: bytes

    @property
    def urgent(self) -> bool:
        """Whether it is taken before backlog."""
        return not self.topic.endswith(_BACKLOG)


class Broker:
    """One broker.

    Args:
        weather: what happens to messages.
        chance: which.
        hit: told of every fault that took effect.
        deliver: hands a message to the centre; False while it cannot take any.
    """

    def __init__(
        self,
        weather: Weather,
        chance: random.Random,
        hit: Callable[[str], None],
        deliver: Callable[[Waiting], bool],
    ) -> None:
        self.weather = weather
        self.cut: dict[str, str] = {}
        """Stations that cannot connect, with the reason."""
        self.frozen_until: dict[str, float] = {}
        self.revoked: set[str] = set()
        self.forgotten: Callable[[], None] = lambda: None
        self._chance, self._hit, self._deliver = chance, hit, deliver
        self._sessions: dict[str, StationLink] = {}
        self._retained: dict[str, bytes] = {}
        self._old: dict[str, list[bytes]] = {}
        self._waiting: dict[int, Waiting] = {}
        self._held_back: dict[int, Waiting] = {}
        self._last_id = 0

    def connect(self, link: "StationLink") -> None:
        """A station connects; the session it had before ends. It hears what is retained.

        Raises:
            LinkDown: when it may not, or its way is cut.
        """
        if link.station in self.cut:
            raise LinkDown(self.cut[link.station])
        if link.station in self.revoked:
            self._hit("revoked station")
            raise LinkDown("not authorised")
        old = self._sessions.pop(link.station, None)
        if old is not None and old is not link:
            self._hit("session taken over")
            old.lose("session taken over")
        self._sessions[link.station] = link
        if link.receipts in self._retained:
            self._greet(link, self._retained[link.receipts])

    def _greet(self, link: "StationLink", payload: bytes) -> None:
        """A receipt goes down, sometimes with one of the last before it in its company."""
        receipts = [payload]
        older = self._old.get(link.receipts)
        if older and self._chance.random() < self.weather.stale:
            self._hit("old receipt")
            receipts.insert(self._chance.randrange(2), self._chance.choice(older[-8:]))
        for each in receipts:
            self._down(link, each)

    def gone(self, link: "StationLink") -> None:
        """A session has ended."""
        if self._sessions.get(link.station) is link:
            del self._sessions[link.station]

    def end_session(self, station: str, why: str) -> None:
        """The network ends a connection."""
        link = self._sessions.pop(station, None)
        if link is not None:
            link.lose(why)

    def forget_everything(self, *, stale: bool) -> None:
        """Killed, without anything on its disk; or with the retained messages of some time ago."""
        self._hit("broker forgets everything")
        for station in list(self._sessions):
            self.end_session(station, "the broker has gone away")
        self._waiting.clear()
        self._held_back.clear()
        for name, older in self._old.items():
            self._retained.pop(name, None)
            if stale and older:
                self._hit("old receipt")
                self._retained[name] = self._chance.choice(older)
        self.forgotten()

    def receipt(self, name: str, payload: bytes) -> None:
        """The centre publishes, retained."""
        self._retained[name] = payload
        link = self._sessions.get(topic.station_of_receipt(name) or "")
        if link is not None:
            self._greet(link, payload)
        self._old.setdefault(name, []).append(payload)

    def retained(self) -> list[tuple[str, bytes]]:
        """The receipts it still has, with their topics."""
        return list(self._retained.items())

    def redeliver(self) -> None:
        """The centre has connected (again): everything it has not acknowledged comes."""
        self._held_back = dict(self._waiting)
        self.more()

    def more(self) -> None:
        """The centre has room again."""
        for id_, waiting in list(self._held_back.items()):
            if not self._deliver(waiting):
                return
            self._held_back.pop(id_, None)

    def acknowledged(self, id: int) -> None:  # noqa: A002
        """The centre has taken a message."""
        self._waiting.pop(id, None)

    def up(self, link: "StationLink", name: str, payload: bytes, answer: "asyncio.Future[None]") -> None:
        """A station publishes."""
        chance, weather = self._chance, self.weather
        if chance.random() < weather.vanish:
            self._hit("loss")
            return
        if chance.random() < weather.snap:
            self._hit("lost in a cut")
            self.end_session(link.station, "the link has snapped")
            return
        ended = link.ended
        self._after(link.station, lambda: self._come(link, name, payload, answer, ended))
        if chance.random() < weather.repeat:
            self._hit("duplication")
            again = asyncio.get_running_loop().create_future()
            self._after(link.station, lambda: self._arrive(link, name, payload, again), chance.uniform(0, 3600))

    def _come(
        self,
        link: "StationLink",
        name: str,
        payload: bytes,
        answer: "asyncio.Future[None]",
        ended: "asyncio.Future[str] | None",
    ) -> None:
        """What was on its way when its connection ended has arrived, or not."""
        if ended is not None and ended.done() and self._chance.random() < 0.7:
            self._hit("lost in a cut")
        else:
            self._arrive(link, name, payload, answer)

    def _arrive(self, link: "StationLink", name: str, payload: bytes, answer: "asyncio.Future[None]") -> None:
        if topic.station_of(name) in self.revoked:
            self._hit("revoked station")
            self._after(link.station, lambda: link.answered(answer, PublishRefused("not authorised")))
            return
        if self._chance.random() < self.weather.damage:
            self._hit("damage")
            flipped = bytearray(payload)
            flipped[self._chance.randrange(len(flipped))] ^= 1 << self._chance.randrange(8)
            payload = bytes(flipped)
        if self._chance.random() < self.weather.drop:
            self._hit("loss after acknowledgement")
        else:
            self._last_id += 1
            waiting = self._waiting[self._last_id] = Waiting(self._last_id, name, payload)
            if self._held_back or not self._deliver(waiting):
                self._held_back[waiting.id] = waiting
        self._after(link.station, lambda: link.answered(answer, None))

    def _down(self, link: "StationLink", payload: bytes) -> None:
        if self._chance.random() < self.weather.vanish:
            self._hit("receipt lost")
            return
        self._after(link.station, lambda: link.hear(payload))
        if self._chance.random() < self.weather.repeat:
            self._hit("receipt again, late")
            self._after(link.station, lambda: link.hear(payload), self._chance.uniform(0, 3600))

    def _after(self, station: str, act: Callable[[], None], more_s: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        delay = self.weather.delay_s * self._chance.uniform(0.5, 1.5) + more_s
        if delay > 1:
            self._hit("delay")
        if self._chance.random() < self.weather.overtake:
            self._hit("reordering")
            delay += self._chance.uniform(0, 30)
        thaw = self.frozen_until.get(station, 0.0)
        if loop.time() + delay < thaw:
            self._hit("freeze")
            delay = thaw - loop.time() + self._chance.random()
        loop.call_later(delay, act)


class StationLink:
    """The edge's link port, to a simulated broker.

    Args:
        station: who speaks.
        centre: whose receipts are heard.
        broker: at the other end.
        life: of the agent.
        connected: told of every new connection.
        sent: told of everything that is handed over, before it leaves.
        heard: told of every receipt at the moment the agent takes it.
    """

    def __init__(
        self,
        station: str,
        centre: str,
        broker: Broker,
        life: Life,
        connected: Callable[["StationLink"], None],
        sent: Callable[["StationLink", bytes], None],
        heard: Callable[[bytes], None],
    ) -> None:
        self.station = station
        self.receipts = topic.receipt(station, centre)
        self.incoming: asyncio.Queue[tuple[str, bytes]] = _Heard(heard)
        self._broker, self._life, self._connected, self._sent = broker, life, connected, sent
        self._ended: asyncio.Future[str] | None = None
        self._answers: set[asyncio.Future[None]] = set()

    @property
    def ended(self) -> "asyncio.Future[str] | None":
        """Of the connection there is, or was."""
        return self._ended

    async def connect(self) -> None:
        """Connect and hear what is retained."""
        self._life.check()
        await asyncio.sleep(self._broker.weather.delay_s)
        self._life.check()
        self._broker.connect(self)
        self._connected(self)
        self._ended = asyncio.get_running_loop().create_future()

    def publish(self, topic: str, payload: bytes) -> "asyncio.Future[None]":
        """Hand over."""
        self._life.check()
        self._sent(self, payload)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._ended is None or self._ended.done():
            answer.set_exception(LinkDown("not connected"))
        else:
            self._answers.add(answer)
            self._broker.up(self, topic, payload, answer)
        return answer

    async def closed(self) -> str:
        """Wait for the end of the connection."""
        if self._ended is None:
            return "never connected"
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End it."""
        self._life.check()
        await asyncio.sleep(0)
        self._broker.gone(self)
        self.lose("closed")

    def lose(self, why: str) -> None:
        """The connection has ended."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(why)
        answers, self._answers = self._answers, set()
        for answer in answers:
            if not answer.done():
                answer.set_exception(LinkDown(why))

    def answered(self, answer: "asyncio.Future[None]", error: Exception | None) -> None:
        """The broker's answer arrives."""
        if answer not in self._answers or answer.done():
            return
        self._answers.discard(answer)
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    def hear(self, payload: bytes) -> None:
        """A receipt arrives, if the connection is still there."""
        if self._ended is not None and not self._ended.done() and not self._life.over:
            self.incoming.put_nowait((self.receipts, payload))


class _Heard(asyncio.Queue[tuple[str, bytes]]):
    def __init__(self, heard: Callable[[bytes], None]) -> None:
        super().__init__()
        self._heard = heard

    async def get(self) -> tuple[str, bytes]:
        got = await super().get()
        self._heard(got[1])
        return got
