"""Who one instrument turned out to be: asked at the start and whenever it may have been changed for another."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.group import Said as Sentence
from haihe_edge.acquire.group import Sample
from haihe_edge.acquire.outage import Told
from haihe_edge.profile import ModbusProfile
from haihe_edge.profile.expand import Said
from haihe_edge.site import Instrument

from .frames import Request
from .identify import Search, Stranger, knows_nothing, misfits, stranger
from .library import Library

Ask = Callable[[Request], Awaitable[bytes | ExchangeError]]


class Identity:
    """Whether readings of an instrument may pass for good ones.

    Args:
        instrument: of the site.
        files: of every profile that can be named, for the closest match.
        clock: for the time between two looks.
    """

    def __init__(self, instrument: Instrument, files: Mapping[str, Path], clock: Clock) -> None:
        profile = instrument.profile
        assert isinstance(profile, ModbusProfile)  # noqa: S101 - as in Unit
        self._name, self._unit, self._profile = instrument.name, instrument.unit, profile
        self._files = files
        self._clock = clock
        self._stranger: Stranger | None = None
        self._library: Library | None = None
        self._search: Search | None = None
        self._shared = False
        self._alone_polls = 0
        self._told: list[Told] = []
        self._seen_ms = 0
        self._refusals = 0
        self._has_spoken = False
        self.is_open = True
        """Whether it has to be asked who it is."""

    @property
    def is_due(self) -> bool:
        """Whether to ask now. A stranger is asked again now and then: somebody may have mended it."""
        if not self._profile.identify:
            return False
        again_ms = self._seen_ms + limits.RECOGNISE_AGAIN_MS
        return self.is_open or (self._stranger is not None and self._clock.monotonic_ms() >= again_ms)

    @property
    def is_settled(self) -> bool:
        """Whether it is the expected one, alone at its address, and has given values: nothing more to find out."""
        return self._has_spoken and self._stranger is None and not self._shared

    @property
    def knows_nothing(self) -> bool:
        """Whether the instrument has refused everything that its profile lists."""
        return self._stranger is not None and not self._stranger.point

    @property
    def error(self) -> Sentence | None:
        """What is wrong, for the state of the instrument."""
        if self._shared:
            return "two instruments answer at address {unit}", {"unit": self._unit}
        return None if self._stranger is None else self._stranger.sentence

    def said(self, said: Said) -> None:
        """What it answered when it was asked who it is."""
        self.is_open, self._seen_ms = False, self._clock.monotonic_ms()
        self._is(stranger(self._profile, misfits(self._profile, said), said))

    def _is(self, found: Stranger | None) -> None:
        known = self._stranger
        if found is None:
            if known is not None and known.closest != "":
                self._told.append(("profile_fits", {"instrument": self._name, "profile": self._profile.profile}))
            self._stranger = self._search = self._library = None
        elif known is None or (known.point, known.said) != (found.point, found.said):
            self._stranger, self._search, self._library = found, None, Library(self._files)

    def shared(self, unit: int) -> None:
        """Two instruments answered at its address."""
        if not self._shared:
            self._told.append(("address_conflict", {"instrument": self._name, "unit": unit}))
        self._shared, self._alone_polls = True, 0

    async def polled(self, ask: Ask, samples: list[Sample], refusal: ExchangeError | None) -> None:
        """After a poll that was answered: look at what it says, and go on searching for the profile that fits.

        Args:
            ask: one exchange with the instrument.
            samples: of the poll.
            refusal: what it would not do, if anything.
        """
        self._alone_polls += 1
        if self._alone_polls >= limits.ALONE_POLLS:
            self._shared = False
        if any(value is not None for _, value, _ in samples):
            self._has_spoken = True
            if self.knows_nothing:
                self._is(None)
        elif knows_nothing(refusal) and not self._has_spoken:
            self._refusals += 1
            if self._refusals >= limits.FAILURES_BEFORE_PAUSES and self._stranger is None:
                self._is(Stranger(self._profile.profile, "", None, ""))
        if self._library is not None:
            await self._look(ask, self._library)

    async def _look(self, ask: Ask, library: Library) -> None:
        if self._search is None:
            profiles = library.profiles()
            if profiles is None:
                return
            others = (profile for profile in profiles if profile.profile != self._profile.profile)
            self._search = Search(others, self._unit)
        until = self._clock.monotonic_ms() + limits.SEARCH_MS
        while (request := self._search.next()) is not None:
            if self._clock.monotonic_ms() >= until:
                return
            answer = await ask(request)
            self._search.heard(None if isinstance(answer, ExchangeError) else answer)
        match = self._search.closest()
        if self._stranger is not None:
            self._stranger = self._stranger._replace(closest=None if match is None else match.profile)
            self._told.append(("profile_mismatch", {"instrument": self._name, **self._stranger.detail}))
        self._search = self._library = None

    def told(self) -> list[Told]:
        """What has happened since this was last asked."""
        told, self._told = self._told, []
        return told

    def marked(self, samples: list[Sample]) -> list[Sample]:
        """The samples, none of them good while it is not clear whose they are."""
        if self._stranger is None and not self._shared:
            return samples
        return [
            (number, value, reason if value is None else reason | Reason.MISMATCH) for number, value, reason in samples
        ]
