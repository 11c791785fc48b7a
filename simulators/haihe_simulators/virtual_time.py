"""Time that passes only while everybody waits: a day of a whole fleet takes seconds, and the same ones every time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from haihe_contract.errors import must

_T = TypeVar("_T")
_EPOCH_S = 1000.0
_OWN_SOCKETS = 1
"""A loop listens to itself, for calls from other threads; here there are none."""


class _Leaping(selectors.SelectSelector):
    """Does not wait: lets the loop's time leap to the next timer."""

    leap: Callable[[float], None]
    _sockets = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._sockets += 1
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._sockets -= 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        if self._sockets > _OWN_SOCKETS and (ready := super().select(0)):
            return ready
        if timeout is None:
            must(False, "everybody waits for ever")
        elif timeout > 0:
            self.leap(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. What others would do in a thread is done at once."""

    def __init__(self) -> None:
        selector = _Leaping()
        super().__init__(selector)
        self._virtual_s = _EPOCH_S
        selector.leap = self._leap

    def _leap(self, seconds: float) -> None:
        self._virtual_s += seconds

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Do it now."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future


def in_virtual_time(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end of the work."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
