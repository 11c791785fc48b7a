"""Server-sent events: what has changed since a page last heard, never a queue that could grow.

A listener holds a set of changed stations and topics. A page that reads slowly hears less often and always the
newest; one that does not read at all is dropped. Changes come from any thread.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LISTENERS_MAX = 64
TICK_S = 2.0
"""Some changes announce themselves to nobody: a station falls silent, an alarm is raised a moment later."""
HEARTBEAT_S = 15.0
"""Shorter than the idle limit of every usual proxy."""
GATHER_S = 0.5
"""Changes within this time go out together: a page needs no more than two updates a second."""
SEND_S = 20.0
"""A page that has not taken an event for so long is dropped; it reconnects by itself."""
RETRY_MS = 2000
EVERY = "*"
"""Stands for all stations."""


class Listener:
    """One page that listens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self._stations: set[str] = set()
        self._topics: set[str] = set()
        self.closed = False

    def note(self, *, station: str | None = None, topic: str | None = None, close: bool = False) -> None:
        """Something changed; from any thread."""
        with self._lock:
            if station is not None:
                self._stations.add(station)
            if topic is not None:
                self._topics.add(topic)
            self.closed = self.closed or close
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the loop has gone, and the page with it
            self.closed = True

    async def wait(self, seconds: float) -> bool:
        """Until something changed or the time is over; says whether something did."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def drain(self) -> tuple[set[str], set[str]]:
        """Changed stations (or :data:`EVERY`) and topics since the last call."""
        with self._lock:
            self._wake.clear()
            stations, topics = self._stations, self._topics
            self._stations, self._topics = set(), set()
        return stations, topics


class Listeners:
    """Everybody who listens, at most :data:`LISTENERS_MAX`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: set[Listener] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._all)

    @property
    def full(self) -> bool:
        """Whether nobody else may listen."""
        return self._closed or len(self._all) >= LISTENERS_MAX

    def __iter__(self) -> Iterator[Listener]:
        with self._lock:
            return iter(list(self._all))

    def add(self, loop: asyncio.AbstractEventLoop) -> Listener | None:
        """A new listener, or None when there are too many."""
        with self._lock:
            if self.full:
                return None
            listener = Listener(loop)
            self._all.add(listener)
            return listener

    def remove(self, listener: Listener) -> None:
        """It has gone."""
        with self._lock:
            self._all.discard(listener)

    def changed_station(self, code: str) -> None:
        """A station has news."""
        for listener in self:
            listener.note(station=code)

    def changed_all(self) -> None:
        """The list of stations may have changed as a whole."""
        self.changed_station(EVERY)

    def changed_topic(self, topic: str) -> None:
        """Something else has news."""
        for listener in self:
            listener.note(topic=topic)

    def close(self) -> None:
        """End every stream, and take no new one."""
        with self._lock:
            self._closed = True
        for listener in self:
            listener.note(close=True)


def event(name: str, data: Any) -> bytes:
    """One event in the form of the EventSource standard."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


class EventStream(Response):
    """The response that never ends by itself.

    Args:
        listeners: where to join and leave.
        hello: the first event, a greeting with the centre's time.
        changes: called in a thread with (changed stations, topics), also when there are none; returns the bytes
            to send, or nothing.
        heartbeat: the bytes that show a listener that the centre is alive.
        heartbeat_s: longest silence.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        listeners: Listeners,
        hello: bytes,
        changes: Callable[[set[str], set[str]], bytes],
        heartbeat: Callable[[], bytes],
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._listeners = listeners
        self._hello = hello
        self._changes = changes
        self._heartbeat = heartbeat
        self._heartbeat_s = heartbeat_s
        self._last_put = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the page leaves, stops reading, or the centre stops."""
        listener = self._listeners.add(asyncio.get_running_loop())
        if listener is None:  # somebody came in between
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._put(send, f"retry: {RETRY_MS}\n\n".encode() + self._hello)
            while not gone.done() and not listener.closed:
                await self._turn(listener, send, gone)
            if not gone.done():
                await self._put(send, b"", more=False)
        except (TimeoutError, OSError):
            pass  # it does not read, or has gone: it will come again
        finally:
            gone.cancel()
            self._listeners.remove(listener)

    async def _turn(self, listener: Listener, send: Send, gone: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(listener.wait(min(TICK_S, self._heartbeat_s)))
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            return
        stations, topics = listener.drain()
        if listener.closed:
            return
        body = await asyncio.to_thread(self._changes, stations, topics)
        quiet_s = asyncio.get_running_loop().time() - self._last_put
        if not body and quiet_s + TICK_S / 2 >= self._heartbeat_s:
            body = self._heartbeat()
        if body:
            await self._put(send, body)
        if stations or topics:
            await asyncio.wait({gone}, timeout=GATHER_S)

    async def _put(self, send: Send, body: bytes, *, more: bool = True) -> None:
        await asyncio.wait_for(send({"type": "http.response.body", "body": body, "more_body": more}), SEND_S)
        self._last_put = asyncio.get_running_loop().time()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
