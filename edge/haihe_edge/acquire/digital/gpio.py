"""Digital lines of a Linux GPIO chip through libgpiod (character device, v2). The only place that imports it.

The package is imported when a chip is opened, so a station without digital lines neither needs nor pays for it.
"""

import asyncio
import contextlib
import errno
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from haihe_edge import limits
from haihe_edge.acquire.line import BusDown

from .chip import Edge, Wanted

if TYPE_CHECKING:
    import gpiod

_CAUSES = {
    errno.ENOENT: "there is no such chip; see gpiodetect",
    errno.ENODEV: "it is gone, or it is no gpio chip; see gpiodetect",
    errno.EACCES: "no permission; the user must be in the group that /dev/gpiochip* belongs to",
    errno.EBUSY: "a line is used by another program or driver; see gpioinfo",
}
"""What the kernel's answers mean here."""
CONSUMER = "haihe"
"""What gpioinfo shows as the user of our lines."""


class GpioChip:
    """A chip of this machine (:class:`haihe_edge.acquire.digital.chip.DigitalChip`).

    Args:
        path: the device, /dev/gpiochip0.
        wanted: which lines, and how.
    """

    def __init__(self, path: str, wanted: Sequence[Wanted]) -> None:
        self.name = path
        self._wanted = tuple(wanted)
        self._request: gpiod.LineRequest | None = None
        self._offsets: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[int, int] = {}
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the lines are ours now."""
        return self._request is not None

    async def open(self) -> None:
        """Take the lines; outputs go to rest.

        Raises:
            BusDown: with the cause.
        """
        try:
            import gpiod
        except ImportError:
            raise BusDown(
                "chip {chip}: the package gpiod is not installed; pip install 'haihe[edge]'", chip=self.name
            ) from None
        self.close()
        try:
            with gpiod.Chip(self.name) as chip:
                offsets = {each.name: self._offset(chip, each) for each in self._wanted}
                config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None] = {}
                config.update({offsets[each.name]: _settings(each) for each in self._wanted})
                request = chip.request_lines(config, consumer=CONSUMER, event_buffer_size=limits.DIGITAL_EVENTS_MAX)
        except OSError as error:
            raise BusDown("chip {chip}: {why}", chip=self.name, why=_why(error)) from None
        self._offsets = offsets
        self._names = {offset: name for name, offset in offsets.items()}
        self._numbers = {}
        self._request = request

    def _offset(self, chip: "gpiod.Chip", wanted: Wanted) -> int:
        try:
            return chip.line_offset_from_id(wanted.line)
        except (ValueError, OSError):
            raise BusDown(
                "chip {chip}: there is no line {line}; see gpioinfo", chip=self.name, line=wanted.line
            ) from None

    def close(self) -> None:
        """Bring the outputs to rest and give the lines back; may be called twice.

        What a line does after it was given back is the driver's affair; most keep the level or become inputs.
        """
        request, self._request = self._request, None
        if request is None:
            return
        if self._waiting is not None:
            self._waiting.get_loop().remove_reader(request.fd)
            _done(self._waiting)
        from gpiod.line import Value

        rest: dict[int | str, Value] = {
            self._offsets[each.name]: Value.ACTIVE if each.rest else Value.INACTIVE
            for each in self._wanted
            if each.is_output
        }
        with contextlib.suppress(OSError):
            if rest:
                request.set_values(rest)
        with contextlib.suppress(OSError):
            request.release()

    def _open_request(self) -> "gpiod.LineRequest":
        if self._request is None:
            raise BusDown("chip {chip}: {why}", chip=self.name, why="not open")
        return self._request

    def _gone(self, error: OSError) -> BusDown:
        self.close()
        return BusDown("chip {chip}: {why}", chip=self.name, why=_why(error))

    async def edges(self) -> Sequence[Edge]:
        """The next edges, waiting for the first one.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        request = self._open_request()
        await self._readable(request.fd)
        if self._request is not request:
            raise BusDown("chip {chip}: {why}", chip=self.name, why="not open")
        try:
            events = request.read_edge_events(limits.DIGITAL_EVENTS_MAX)
        except OSError as error:
            raise self._gone(error) from None
        return [self._edge(event) for event in events]

    async def _readable(self, descriptor: int) -> None:
        """Return when there is something to read, when the lines have failed, or when they are given back."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        loop.add_reader(descriptor, _done, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if self._request is not None:
                loop.remove_reader(descriptor)

    def _edge(self, event: "gpiod.EdgeEvent") -> Edge:
        offset = event.line_offset
        lost = event.line_seqno - self._numbers.get(offset, 0) - 1
        self._numbers[offset] = event.line_seqno
        high = event.event_type is event.Type.RISING_EDGE
        return Edge(self._names[offset], high, event.timestamp_ns // 1_000_000, max(0, lost))

    def levels(self) -> dict[str, bool]:
        """How every line is now, by name.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        request = self._open_request()
        names = [each.name for each in self._wanted]
        try:
            values = request.get_values([self._offsets[name] for name in names])
        except OSError as error:
            raise self._gone(error) from None
        return {name: bool(value) for name, value in zip(names, values, strict=True)}

    def drive(self, name: str, high: bool) -> None:  # noqa: FBT001 - the level is the argument
        """Set an output.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        request = self._open_request()
        from gpiod.line import Value

        try:
            request.set_value(self._offsets[name], Value.ACTIVE if high else Value.INACTIVE)
        except OSError as error:
            raise self._gone(error) from None


def _why(error: OSError) -> str:
    return _CAUSES.get(error.errno or 0) or error.strerror or str(error)


def _done(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _settings(wanted: Wanted) -> "gpiod.LineSettings":
    """The kernel's words for it. Edges are stamped with the monotonic clock, which our own clock is too."""
    from gpiod import LineSettings
    from gpiod.line import Bias, Clock, Direction, Value
    from gpiod.line import Edge as Edges

    if wanted.is_output:
        return LineSettings(direction=Direction.OUTPUT, output_value=Value.ACTIVE if wanted.rest else Value.INACTIVE)
    edges = {"rising": Edges.RISING, "falling": Edges.FALLING, "both": Edges.BOTH}[wanted.edges]
    bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.AS_IS}[wanted.pull]
    return LineSettings(
        direction=Direction.INPUT,
        edge_detection=edges,
        bias=bias,
        debounce_period=timedelta(milliseconds=wanted.debounce_ms),
        event_clock=Clock.MONOTONIC,
    )
