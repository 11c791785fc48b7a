"""A station that asks what it had told of itself is answered as the ledger has it now, and not more than it may."""

import random
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import Database
from haihe_cloud.ingest.beside import Beside
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.restoring import Restoring
from haihe_cloud.ingest.worker import Worker
from haihe_cloud.ledger.carried import Carried
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.limits import STATE_ANSWER_EVERY_MS
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import topic
from haihe_contract.ed25519 import PublicKey
from haihe_contract.record import State
from haihe_contract.restore import SITE, Answer, verify

from tests.cloud.samples import STATION, T0, StillClock, data

OTHER = "31005651"


def question(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Centre:
    """A worker on a real database and store, with the answers that it gave."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.clock = StillClock()
        self.ledger = Ledger(database, centre="haihe", clock=self.clock)
        self.registry = Registry(database)
        self.registry.add(Station(STATION))
        self.key = Ed25519PrivateKey.generate()
        self.connected = True
        self.answers: list[tuple[str, bytes]] = []
        self.worker = Worker(
            Inbox(64),
            SqliteStore(directory / "series.db"),
            self.ledger,
            self.registry,
            lambda name, payload: True,
            self.key,
            clock=self.clock,
            chance=random.Random(1),
            stop=threading.Event(),
            beside=Beside(Quarantine(database), self.ledger, self.registry, Carried(database)).messages,
            answer=Restoring(self.ledger, self.tell, self.key, self.clock).answer,
        )

    def tell(self, name: str, payload: bytes) -> bool:
        if self.connected:
            self.answers.append((name, payload))
        return self.connected

    def round(self, *messages: tuple[str, bytes]) -> None:
        done: list[int] = []
        asked = [Message(name, payload, T0, lambda: done.append(1)) for name, payload in messages]
        assert self.worker.round(asked) == len(done) == len(messages), "all are acknowledged"

    def answer(self, number: int, station: str = STATION) -> Answer:
        name, payload = self.answers[-1]
        assert name == topic.state(station, "haihe")
        key = PublicKey(self.key.public_key().public_bytes_raw())
        return verify(payload, key, centre="haihe", station=station, question=question(number))


@pytest.fixture
def centre(database: Database, tmp_path: Path) -> Centre:
    return Centre(database, tmp_path)


ASK = topic.state_asked(STATION)


def told(number: int, value: float) -> tuple[str, bytes]:
    return topic.up(STATION, 1), data([number], bodies={number: State("counter rain", {"v": value}, T0 + number, 5)})


def test_an_answer_is_as_fresh_as_what_came_in_the_same_round(centre: Centre) -> None:
    centre.round(told(4, 1.5), (ASK, question(1)), told(5, 2.5))
    (state,) = centre.answer(1).states()
    assert (state.name, state.value, state.time_ms) == ("counter rain", {"v": 2.5}, T0 + 5)


def test_a_station_that_asks_without_end_is_answered_now_and_then_and_at_once_when_it_was_not_heard(
    centre: Centre,
) -> None:
    centre.round(*[(ASK, question(n)) for n in range(30)])
    assert len(centre.answers) == 1
    assert centre.answer(29).states() == []
    centre.round((ASK, question(30)))
    assert len(centre.answers) == 1
    centre.clock.ms += STATE_ANSWER_EVERY_MS
    centre.connected = False
    centre.round((ASK, question(31)))
    centre.connected = True
    centre.round((ASK, question(32)))
    assert centre.answer(32).registered


def test_each_station_hears_its_own_and_one_that_is_not_registered_hears_only_that(centre: Centre) -> None:
    centre.round(told(4, 1.5), (topic.state_asked(OTHER), question(7)))
    answer = centre.answer(7, OTHER)
    assert (answer.registered, answer.states()) == (False, [])
    assert [each.code for each in centre.registry.unknown()] == [OTHER]
    centre.round((ASK, question(8)))
    assert len(centre.answer(8).states()) == 1
    assert centre.worker.counts.quarantined == 0


@pytest.mark.parametrize("payload", [b"", bytes(15), bytes(17), bytes(100_000)], ids=len)
def test_what_is_no_question_is_kept_with_the_reason_and_not_answered(centre: Centre, payload: bytes) -> None:
    centre.round((ASK, payload))
    (kept,) = centre.ledger.quarantined()
    assert "asks for its states" in kept.reason
    assert centre.answers == []


def test_a_site_file_that_fills_its_record_is_taken_and_given_back(centre: Centre) -> None:
    text = "x" * 40_000
    body = State(SITE, {"zlib_base85": text}, T0, 5)
    centre.round((topic.up(STATION, 1), data([1, 2, 3, 4], bodies={3: body})), (ASK, question(1)))
    (state,) = centre.answer(1).states()
    assert state.value == {"zlib_base85": text}
    assert centre.worker.counts.refused == 0


def test_any_other_state_has_its_bound(centre: Centre) -> None:
    body = State("counter rain", {"text": "x" * 5000}, T0, 5)
    centre.round((topic.up(STATION, 1), data([1, 2, 3, 4], bodies={3: body})), (ASK, question(1)))
    assert centre.answer(1).states() == []
    assert centre.worker.counts.refused == 1
