"""What one poll of an instrument consists of: reads, commands, waits, and rules for the values. Pure.

Most instruments are asked by plain reads (``is_plain``); the others need what :func:`.follow.follow` does.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from haihe_edge.profile import ModbusProfile, Retry, Send, Wake
from haihe_edge.profile.expand import Said

from .decode import is_plain, spoken
from .depend import Rule, rule
from .frames import Request, Write
from .plan import FUNCTIONS, Read, plan


class Tell(NamedTuple):
    """A command. ``unanswered``: its answer may stay away."""

    request: Request | Write
    unanswered: bool


class Wait(NamedTuple):
    """A pause: so long, plus what the point said, at most so long."""

    milliseconds: int
    point: str | None = None
    most_ms: int = 0


class Recipe(NamedTuple):
    """One poll.

    Args:
        steps: in this order.
        rules: how values of points are made that depend on others; applied at the end.
        wanted: points whose values are asked for; reads may bring more.
        retry: which failures are worth another try.
        wake: for an instrument that sleeps; it is asked the first read.
    """

    steps: tuple[Read | Tell | Wait, ...]
    rules: Mapping[str, Rule]
    wanted: tuple[str, ...]
    retry: Retry | None = None
    wake: Wake | None = None

    @property
    def reads(self) -> list[Read]:
        """The steps that bring values."""
        return [step for step in self.steps if isinstance(step, Read)]

    @property
    def is_plain(self) -> bool:
        """Whether plain reads are all there is: no steps, no rules, no second tries."""
        return not self.rules and self.retry is None and self.wake is None and len(self.reads) == len(self.steps)


def recipe(profile: ModbusProfile, unit: int, wanted: Collection[str]) -> Recipe:
    """Prepare the poll that brings those points.

    Args:
        profile: of the instrument; its variant chosen, its parameters put in.
        unit: its address.
        wanted: names of points; those that are text are left out.
    """
    points = {point.name: point for point in profile.points}
    names = [name for name in points if name in wanted and points[name].is_number]
    needed = set(names).union(*(points[name].needs for name in names))
    needed |= {step.wait_for.point for step in profile.measure if step.wait_for}
    return Recipe(
        tuple(_steps(profile, unit, needed)),
        {name: rule(points[name]) for name in names if not is_plain(points[name])},
        tuple(names),
        profile.retry,
        profile.wake,
    )


def _steps(profile: ModbusProfile, unit: int, needed: set[str]) -> Iterator[Read | Tell | Wait]:
    left = set(needed)
    for step in profile.measure:
        if step.send is not None:
            yield Tell(command(step.send, unit), step.send.unanswered)
        elif step.wait_ms is not None:
            yield Wait(step.wait_ms)
        elif step.wait_for is not None:
            yield Wait(step.wait_for.plus_ms, step.wait_for.point, step.wait_for.most_ms)
        else:
            now = left.intersection(step.read or ())
            left -= now
            yield from plan(profile, unit, now)
    yield from plan(profile, unit, left)


def command(send: Send, unit: int) -> Request | Write:
    """A command of a profile as what goes over the line."""
    if send.function in (3, 4):
        return Request(unit, send.function, send.at, send.count)
    return Write(unit, send.function, send.at, send.values)


class Question(NamedTuple):
    """A read that helps to know who answers, and the points in its answer."""

    request: Request
    points: tuple[str, ...]


def questions(profile: ModbusProfile, unit: int) -> list[Question]:
    """What to ask to know which instrument, and which variant of it, this is."""
    found: dict[Request, list[str]] = {}
    for name in dict.fromkeys(profile.asked_for_itself()):
        point = profile.point(name)
        block = profile.block_of(point) if point is not None else None
        if point is None or block is None:
            continue
        start, count = (block.start, block.count) if profile.merge == "whole" else (point.at, point.words)
        found.setdefault(Request(unit, FUNCTIONS[point.table], start, count), []).append(name)
    return [Question(request, tuple(names)) for request, names in found.items()]


def answered(profile: ModbusProfile, question: Question, data: bytes) -> Said:
    """What the instrument said of itself."""
    points = ((name, profile.point(name)) for name in question.points)
    return {name: spoken(point, data, question.request.start) for name, point in points if point is not None}
