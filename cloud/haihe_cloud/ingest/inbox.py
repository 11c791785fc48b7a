"""The waiting room between the broker's threads and the one that stores: bounded, the urgent first."""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from haihe_cloud.limits import ROOM_BYTES

_LOOK_S = 0.5


class Message(NamedTuple):
    """A message on its way.

    Args:
        topic: where it came in.
        payload: as it came.
        received_ms: when.
        acknowledge: called once it is durable.
        kept: its number in quarantine, when it does not come from a station but is admitted again; else 0.
        carried: whether it came in a bundle that its station has signed.
    """

    topic: str
    payload: bytes
    received_ms: int
    acknowledge: Callable[[], None]
    kept: int = 0
    carried: bool = False


class Inbox:
    """Messages of two urgencies; alarms and live values are taken before backlog.

    Args:
        most: messages of one urgency that may wait.
        most_bytes: of them together. What finds no room in time is not let in, and counted.
    """

    def __init__(self, most: int, most_bytes: int = ROOM_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bytes = [0, 0]
        self._rooms: tuple[deque[Message], deque[Message]] = (deque(), deque())
        lock = threading.Lock()
        self._came, self._left = threading.Condition(lock), threading.Condition(lock)
        self.dropped = 0

    def put(self, message: Message, *, urgent: bool, patient: Callable[[], bool] = lambda: False) -> bool:
        """Let a message in, waiting for room as long as one is patient; False when there is none even then."""
        which = 0 if urgent else 1
        with self._came:
            while not self._has_room(which, len(message.payload)):
                if not patient():
                    self.dropped += 1
                    return False
                self._left.wait(_LOOK_S)
            self._rooms[which].append(message)
            self._bytes[which] += len(message.payload)
            self._came.notify()
            return True

    def _has_room(self, which: int, size: int) -> bool:
        return len(self._rooms[which]) < self._most and self._bytes[which] + size <= self._most_bytes

    def forget(self, *, urgent: bool) -> None:
        """Let go of what waits in one room: its connection has ended, and the broker sends all of it again."""
        with self._came:
            which = 0 if urgent else 1
            self._rooms[which].clear()
            self._bytes[which] = 0
            self._left.notify_all()

    def take(self, most: int, seconds: float) -> list[Message]:
        """Wait for a message, then take what is there, urgent first, at most so many."""
        with self._came:
            self._came.wait_for(lambda: any(self._rooms), seconds)
            taken: list[Message] = []
            for which, room in enumerate(self._rooms):
                while room and len(taken) < most:
                    taken.append(room.popleft())
                    self._bytes[which] -= len(taken[-1].payload)
            self._left.notify_all()
            return taken

    def waiting(self) -> tuple[int, int]:
        """How many wait: urgent, backlog."""
        with self._came:
            return len(self._rooms[0]), len(self._rooms[1])
