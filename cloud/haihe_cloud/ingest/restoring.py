"""Answers stations with a new card: what they had told of themselves, as the ledger has it now, signed."""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract import topic
from haihe_contract.clock import Clock
from haihe_contract.restore import sign

from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.limits import STATE_ANSWER_EVERY_MS

from .admit import StateAsked


class Restoring:
    """Answers, each station at most once in :data:`STATE_ANSWER_EVERY_MS`. Nothing of it is retained at the broker.

    Args:
        ledger: what is known.
        tell: publishes without retaining; False when there is no connection.
        key: what answers are signed with, as receipts are.
        clock: for the time of issue.
    """

    def __init__(
        self, ledger: Ledger, tell: Callable[[str, bytes], bool], key: Ed25519PrivateKey, clock: Clock
    ) -> None:
        self._ledger, self._tell, self._key, self._clock = ledger, tell, key, clock
        self._told_ms: dict[str, int] = {}

    def answer(self, asked: Mapping[str, StateAsked]) -> None:
        """Answer the last question of each station; one that was not answered is asked again.

        Raises:
            DatabaseAway: when the ledger is.
        """
        now_ms = self._clock.monotonic_ms()
        self._told_ms = {code: at for code, at in self._told_ms.items() if now_ms - at < STATE_ANSWER_EVERY_MS}
        for station, each in asked.items():
            if station in self._told_ms:
                continue
            data = sign(
                self._key,
                centre=self._ledger.centre,
                station=station,
                question=each.question,
                issued_ms=self._clock.now_ms(),
                states=self._ledger.states(station) if each.registered else None,
            )
            if self._tell(topic.state(station, self._ledger.centre), data):
                self._told_ms[station] = now_ms
