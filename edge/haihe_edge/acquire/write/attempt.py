"""What a person had done to an instrument, told once as a happening: who, what, and what came of it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from haihe_contract.errors import FieldError

from haihe_edge.acquire.group import Happened
from haihe_edge.profile import Effective

from .setting import NotObeyed, Written


class Changed(NamedTuple):
    """What a write changed.

    Args:
        written: by point, what it held before and what it holds now.
        effective: when it is obeyed.
    """

    written: dict[str, Written]
    effective: Effective


class Attempt:
    """One attempt. The first that is told of it counts.

    Args:
        kind: write or command: the happenings are ``write_refused``, ``write_failed``, ...
        detail: what was wanted, and by whom.
        happened: told.
    """

    def __init__(self, kind: str, detail: Mapping[str, object], happened: Happened) -> None:
        self._kind, self._detail, self._happened = kind, dict(detail), happened
        self._is_told = False

    def tell(self, kind: str, facts: Mapping[str, object]) -> None:
        """Tell it, unless it has been told."""
        if not self._is_told:
            self._is_told = True
            self._happened(kind, self._detail | dict(facts))

    def adds(self, facts: Mapping[str, object]) -> None:
        """More that is known of what is wanted."""
        self._detail |= facts

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Whatever is raised inside is told: refused means that nothing was sent, failed that something was."""
        try:
            yield
        except NotObeyed as error:
            self.tell(f"{self._kind}_failed", {**error.facts, "why": error.what})
            raise
        except FieldError as error:
            self.tell(f"{self._kind}_refused", {"why": error.what})
            raise

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """As :meth:`asked`, where a stop of the agent leaves it half done."""
        try:
            with self.asked():
                yield
        except asyncio.CancelledError:
            self.tell(f"{self._kind}_failed", {"failed": "unknown", "why": "the agent stopped while it was being done"})
            raise


def wanted(values: Mapping[str, float]) -> dict[str, object]:
    """What a write is about: ``point`` and ``value``, or ``values`` where there are several."""
    if len(values) == 1:
        point, value = next(iter(values.items()))
        return {"point": point, "value": value}
    return {"values": dict(values)}


def found(changed: Changed) -> dict[str, object]:
    """What a write changed, in the same form: ``before`` and ``after``, by point where there are several."""
    before = {point: each.before for point, each in changed.written.items()}
    after = {point: each.after for point, each in changed.written.items()}
    if len(before) == 1:
        return {"before": next(iter(before.values())), "after": next(iter(after.values()))}
    return {"before": before, "after": after}
