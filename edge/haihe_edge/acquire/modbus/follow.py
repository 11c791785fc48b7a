"""Doing a recipe: the order of its steps, its waits, its second tries. Knows no port and no clock of its own."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge.acquire.exchange import ExchangeError

from .decode import Value, decode
from .frames import Refused, Request, Write
from .plan import Read
from .recipe import Recipe, Wait

Ask = Callable[[Request | Write], Awaitable[bytes | ExchangeError]]
"""One exchange; what the instrument or the line did wrong is an answer too."""


class Followed(NamedTuple):
    """What came of it.

    Args:
        values: of every wanted point.
        failure: the last thing that went wrong, or None.
        silent: it counts as not answering: the rest was not tried.
    """

    values: dict[str, Value]
    failure: ExchangeError | None
    silent: bool


async def follow(recipe: Recipe, ask: Ask, clock: Clock, *, asleep: bool = False) -> Followed:
    """Go through the steps once.

    After silence, and after a command that was not obeyed, nothing more is tried. What a refusal of a read
    concerns is that read only.

    Args:
        recipe: of the instrument.
        ask: one exchange with it.
        clock: for the waits.
        asleep: it has to be woken first.
    """
    found: dict[str, Value] = {}
    failure: ExchangeError | None = None
    stop: ExchangeError | None = None
    if asleep and recipe.wake is not None and recipe.reads:
        await ask(recipe.reads[0].request)
        await clock.sleep(recipe.wake.wait_ms / 1000)
    for step in recipe.steps:
        if isinstance(step, Wait):
            if stop is None:
                await clock.sleep(_wait_ms(step, found) / 1000)
            continue
        answer = stop or await _try(recipe, step.request, ask, clock, once=isinstance(step, Read) and step.clears)
        if isinstance(step, Read):
            if isinstance(answer, ExchangeError):
                found.update((field.name, (None, answer.reason)) for field in step.fields)
            else:
                found.update(zip((field.name for field in step.fields), decode(step.fields, answer), strict=True))
        elif step.unanswered and not isinstance(answer, Refused):
            continue
        if isinstance(answer, ExchangeError):
            failure = answer
            if not isinstance(step, Read) or not _lives(answer):
                stop = answer
    none: Value = (None, Reason.TIMEOUT if stop is None else stop.reason)
    values = {
        name: recipe.rules[name](found) if name in recipe.rules else found.get(name, none) for name in recipe.wanted
    }
    return Followed(values, failure, stop is not None and not _lives(stop))


def _lives(error: ExchangeError) -> bool:
    return isinstance(error, Refused) and error.alive


def _wait_ms(wait: Wait, found: dict[str, Value]) -> float:
    if wait.point is None:
        return wait.milliseconds
    said, _ = found.get(wait.point, (None, Reason.NONE))
    return min(wait.most_ms, wait.milliseconds + max(0.0, wait.most_ms if said is None else said))


async def _try(
    recipe: Recipe, request: Request | Write, ask: Ask, clock: Clock, *, once: bool
) -> bytes | ExchangeError:
    answer = await ask(request)
    retry = recipe.retry
    if retry is None or once:
        return answer
    for _ in range(retry.times):
        if not isinstance(answer, ExchangeError):
            break
        sort = answer.code if isinstance(answer, Refused) else "timeout"
        if sort not in retry.after or (sort == "timeout" and answer.reason is not Reason.TIMEOUT):
            break
        await clock.sleep(retry.wait_ms / 1000)
        answer = await ask(request)
    return answer
