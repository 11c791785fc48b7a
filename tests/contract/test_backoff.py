"""Promises of pauses and patience: a herd of stations gets through a broker that is slower than it."""

import heapq
import random

from haihe_contract.backoff import PATIENCE_MS, Backoff, Patience

STATIONS = 10_000
HANDSHAKE_MS = 8.0
"""What one costs the broker: 125 a second, as on a machine that others use, too."""
CAP_MS = 30_000
TOO_LONG_MS = 600_000


class OnePatience(Patience):
    """As it would be with one limit for ever."""

    def given_up(self) -> None:
        pass


def time_until_all_are_in(patience: type[Patience]) -> tuple[float, int]:
    """When the last station is connected after the broker's return, and how many are.

    The broker works off what it has accepted, one after the other. Whoever has given up before his turn has cost it
    half a handshake, which it cannot know.
    """
    chance = random.Random(1)
    waits = [patience() for _ in range(STATIONS)]
    pauses = [Backoff(CAP_MS) for _ in range(STATIONS)]
    for each in pauses:
        each.failures = 10  # the outage was long: all pauses have their cap
    comes = [(each.next_ms(chance.random()) * chance.random(), at) for at, each in enumerate(pauses)]
    heapq.heapify(comes)
    free_ms, connected, last_ms = 0.0, 0, 0.0
    while comes:
        now, at = heapq.heappop(comes)
        if now > TOO_LONG_MS:
            break
        begins = max(now, free_ms)
        if begins + HANDSHAKE_MS - now <= waits[at].ms:
            free_ms = begins + HANDSHAKE_MS
            connected, last_ms = connected + 1, free_ms
            continue
        free_ms = begins + HANDSHAKE_MS / 2
        given_up_ms = now + waits[at].ms
        waits[at].given_up()
        heapq.heappush(comes, (given_up_ms + pauses[at].next_ms(chance.random()), at))
    return last_ms, connected


def test_ten_thousand_stations_get_through_a_broker_that_needs_longer_than_their_first_patience() -> None:
    took_ms, connected = time_until_all_are_in(Patience)
    assert connected == STATIONS
    assert took_ms < 3 * STATIONS * HANDSHAKE_MS
    _, fewer = time_until_all_are_in(OnePatience)
    assert fewer < STATIONS / 2  # without it most of them never get through


def test_patience_grows_to_a_minute_and_an_answer_makes_it_short_again() -> None:
    patience = Patience()
    seen = []
    for _ in range(5):
        seen.append(patience.ms)
        patience.given_up()
    assert seen == [10_000, 20_000, 40_000, 60_000, 60_000]
    patience.answered()
    assert patience.ms == PATIENCE_MS
