"""Is the instrument what its profile describes, and if not, which known profile would fit? Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from haihe_edge import limits
from haihe_edge.acquire.group import Said as Sentence
from haihe_edge.profile import Condition, ModbusProfile, holds_for
from haihe_edge.profile.expand import Said

from .frames import Refused, Request
from .recipe import answered, questions

_UNKNOWN_CODES = (1, 2)
"""Exceptions by which an instrument says that it has no such function or register."""


def misfits(profile: ModbusProfile, said: Said) -> list[Condition]:
    """The conditions of ``identify`` that do not hold. None when the profile has none: then nothing is known."""
    return [condition for condition in profile.identify if not holds_for(condition, said)]


def knows_nothing(refusal: object) -> bool:
    """Whether an answer says that what was asked for does not exist there."""
    return isinstance(refusal, Refused) and refusal.code in _UNKNOWN_CODES


class Match(NamedTuple):
    """How well a profile fits: so many of its conditions hold."""

    profile: str
    held: int
    of: int

    @property
    def rank(self) -> tuple[float, int]:
        """Larger is better: all of two says more than all of one."""
        return self.held / self.of, self.held


class Search:
    """Which profile of the library fits an instrument that is not the expected one.

    Asks only what profiles list under ``identify``: reads without side effect. Each is asked once, however many
    profiles want it, and not more than :data:`limits.SEARCH_ASKS_MAX` in all.

    Args:
        library: profiles that might fit.
        unit: the instrument's address.
    """

    def __init__(self, library: Iterable[ModbusProfile], unit: int) -> None:
        self._candidates = [profile for profile in library if profile.identify]
        self._unit = unit
        wanted = (each.request for profile in self._candidates for each in questions(profile, unit))
        self._left = list(dict.fromkeys(wanted))[: limits.SEARCH_ASKS_MAX]
        self._answers: dict[Request, bytes] = {}

    def next(self) -> Request | None:
        """What to ask now, None when all is known."""
        return self._left[0] if self._left else None

    def heard(self, answer: bytes | None) -> None:
        """The answer to :meth:`next`, None when there was none."""
        request = self._left.pop(0)
        if answer is not None:
            self._answers[request] = answer

    def closest(self) -> Match | None:
        """The profile of which most holds, None when nothing holds of any."""
        matches = [match for profile in self._candidates if (match := self._match(profile)).held]
        return max(matches, key=lambda match: match.rank, default=None)

    def _match(self, profile: ModbusProfile) -> Match:
        said: dict[str, int | float | str | None] = {}
        for question in questions(profile, self._unit):
            data = self._answers.get(question.request)
            if data is not None:
                said.update(answered(profile, question, data))
        return Match(profile.profile, len(profile.identify) - len(misfits(profile, said)), len(profile.identify))


class Stranger(NamedTuple):
    """What is known of an instrument that is not what its profile says.

    Args:
        profile: that it should be.
        point: whose value does not fit, "" when it knows none of the profile's registers.
        said: that value, None when there was none.
        closest: the profile that fits best, None when none does, "" while that is being found out.
    """

    profile: str
    point: str
    said: int | float | str | None
    closest: str | None

    @property
    def sentence(self) -> Sentence:
        """For people."""
        facts: dict[str, object] = {"profile": self.profile}
        if self.point:
            words = "this is no {profile}: {point} says {said}"
            facts |= {"point": self.point, "said": "-" if self.said is None else self.said}
        else:
            words = "this is no {profile}: it knows none of its registers"
        if self.closest:
            return words + "; it looks like {closest}", facts | {"closest": self.closest}
        return words + ("" if self.closest == "" else "; no known profile fits it"), facts

    @property
    def detail(self) -> Mapping[str, object]:
        """For the event."""
        said = {self.point: self.said} if self.point else {}
        return {"profile": self.profile, "said": said, "closest": self.closest or ""}


def stranger(profile: ModbusProfile, failed: Sequence[Condition], said: Said) -> Stranger | None:
    """What to say of an instrument for which those conditions do not hold; None when all do."""
    if not failed:
        return None
    point = failed[0].point
    return Stranger(profile.profile, point, said.get(point), "")
