"""One run of an agent, and how it ends: at any await, at any operation of its disk, in order.

The places where it can be stopped are read off its source: every ``await`` of the code that carries records.
"""

import ast
import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from types import CodeType, ModuleType
from typing import Any

from haihe_contract.errors import must
from haihe_edge import recorder
from haihe_edge.forward import forwarder

from haihe_simulators.disk import PowerCut
from haihe_simulators.virtual_time import VirtualLoop

_LIFE: "ContextVar[Life | None]" = ContextVar("life", default=None)


def await_points() -> dict[tuple[str, int], str]:
    """Every line of the carrying code on which it can be suspended, with the name of the await there."""
    found: dict[tuple[str, int], str] = {}
    for module in (recorder, forwarder):
        for point, first, last in _awaits(module):
            found |= {(str(module.__file__), line): point for line in range(first, last + 1)}
    return found


def _awaits(module: ModuleType) -> list[tuple[str, int, int]]:
    short = module.__name__.rpartition(".")[2]
    return [
        (f"{short}.{function.name}: {ast.unparse(each)[:60]}", each.lineno, each.end_lineno or each.lineno)
        for function in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(function, ast.AsyncFunctionDef)
        for each in ast.walk(function)
        if isinstance(each, ast.Await)
    ]


AWAITS = await_points()
DISK_POINTS = [f"disk: {what}" for what in ("create", "write", "sync", "rename", "unlink", "sync folder", "extend")]
POINTS = sorted(set(AWAITS.values())) + DISK_POINTS
"""Where an agent is stopped."""


class Life:
    """Everything that runs between one start of an agent and its end.

    Args:
        ended: told why it ended, at once; nothing of it runs any more then.
    """

    def __init__(self, ended: Callable[[str], None]) -> None:
        self.over = False
        self.stop_at: str | None = None
        """The point at which it is to be stopped; empty for the next one, None for none."""
        self.disk_delay_s = 0.0
        self._ended = ended
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin; every task that the work makes belongs to this life."""
        context = copy_context()
        context.run(_LIFE.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def check(self) -> None:
        """Raises PowerCut when this life is over: nothing it still does may reach anybody."""
        if self.over:
            raise PowerCut

    def at(self, point: str) -> None:
        """A point is reached; may end this life.

        Raises:
            PowerCut: when it does.
        """
        self.check()
        if self.stop_at is not None and self.stop_at in ("", point):
            self.end(point)
            raise PowerCut

    def end(self, why: str) -> None:
        """Stop here and now."""
        if not self.over:
            self.over, self.stop_at = True, None
            for task in self._tasks:
                task.cancel()
            self._ended(why)

    def suspended(self, work: Coroutine[Any, Any, Any]) -> None:
        """A task waits; may end this life."""
        if self.stop_at is not None:
            points = _places(work)
            if points and (not self.stop_at or self.stop_at in points):
                self.end(self.stop_at or points[-1])

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """A task of this life."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _places(work: Any) -> list[str]:
    """The awaits of the carrying code at which it waits, the innermost last."""
    points: list[str] = []
    while work is not None:
        frame = getattr(work, "cr_frame", None)
        if frame is None:
            return points
        code: CodeType = frame.f_code
        point = AWAITS.get((code.co_filename, frame.f_lineno))
        if point is not None:
            points.append(point)
        work = work.cr_await
    return points


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that says whenever it waits, and never goes on once its life is over."""

    __slots__ = ("_life", "_work")

    def __init__(self, work: Coroutine[Any, Any, Any], life: Life) -> None:
        self._work, self._life = work, life

    def send(self, value: Any) -> Any:
        life = self._life
        if life.over:
            self._die()
        try:
            waits = self._work.send(value)
        except PowerCut as error:
            raise asyncio.CancelledError from error
        if life.stop_at is not None:
            life.suspended(self._work)
        return waits

    def throw(self, *error: Any) -> Any:
        if self._life.over:
            self._die()
        try:
            waits = self._work.throw(*error)
        except PowerCut as cut:
            raise asyncio.CancelledError from cut
        self._life.suspended(self._work)
        return waits

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()

    def _die(self) -> None:
        for _ in range(100):
            try:
                self._work.throw(PowerCut())
            except BaseException as error:
                raise asyncio.CancelledError from error
        must(False, "a task outlives its machine")


class WorldLoop(VirtualLoop):
    """A loop in virtual time whose tasks belong to lives; threads answer a moment later, or when the disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_task)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Do it in the next turn of the loop."""
        future: asyncio.Future[Any] = self.create_future()
        life = _LIFE.get()

        def work() -> None:
            if future.done() or (life is not None and life.over):
                return
            try:
                future.set_result(func(*args))
            except PowerCut:
                return  # its life is over
            except Exception as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)

        self.call_later(life.disk_delay_s if life is not None else 0.0, work)
        return future


def _task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> "asyncio.Task[Any]":
    context = more.get("context")
    life = context.get(_LIFE) if context is not None else _LIFE.get()
    if life is None:
        return asyncio.Task(work, loop=loop, **more)
    task: asyncio.Task[Any] = asyncio.Task(_Stepped(work, life), loop=loop, **more)
    life.adopt(task)
    return task
