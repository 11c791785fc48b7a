"""How much backlog may be under way, over links that are played through in numbers."""

import heapq
import random
from itertools import count

import pytest
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, Readings, Record
from haihe_edge.forward.flow import Grant
from haihe_edge.forward.outbox import Outbox

LINE, OLD = 7, 5
RECORD_BYTES = 30


class Played:
    """An outbox over a link of so many bytes a second, with live every second and a backlog without end."""

    def __init__(self, bytes_per_s: float, one_way_ms: int, loss: float, seconds: int) -> None:
        self.live_ages: list[float] = []
        self.delivered = 0
        self.overdue = self.frozen = 0
        self.queued_ms: list[float] = []
        chance, order = random.Random(3), count()
        outbox = Outbox(LINE)
        outbox.extent(OLD, RangeSet.of((1, 50_000_000)), EMPTY)
        outbox.connected(0, Grant())
        now, free, up, down, number = 0, 0.0, 0.0, 0.0, 0
        held = {OLD: EMPTY, LINE: EMPTY}
        events: list[tuple[float, int, str, object]] = [(0, next(order), "live", None)]
        while now < seconds * 1000:
            while (offer := outbox.choose(now)) is not None:
                size = 40 + offer.numbers.count() * (80 if offer.lane == LANE_LIVE else RECORD_BYTES)
                outbox.sent(offer, now, size)
                free = max(free, now) + (size + 120) / bytes_per_s * 1000
                lost = sum(chance.random() < loss for _ in range(1 + size // 1400))
                up = max(up, free + one_way_ms + lost * (200 + 2 * one_way_ms))
                self.queued_ms.append(free - now)
                heapq.heappush(events, (up, next(order), "arrive", (offer, now)))
            look = outbox.look_again_ms(now)
            if events[0][0] > look:
                now = look
                self.overdue += outbox.overdue(now)
                self.frozen += outbox.frozen_ms(now) > 0
                continue
            at, _, what, told = heapq.heappop(events)
            now = max(now, int(at) + 1)
            if what == "live":
                number += 1
                outbox.committed([Record(number, False, Readings(now, 5, [0], [1.0]))])
                heapq.heappush(events, (now + 1000, next(order), "live", None))
            elif what == "arrive":
                offer, sent_ms = told  # type: ignore[misc]
                held[offer.line] |= offer.numbers
                if offer.lane == LANE_BACKLOG:
                    self.delivered += offer.numbers.count() * RECORD_BYTES
                elif offer.numbers:
                    self.live_ages.append(now - sent_ms)
                down = max(down, now + one_way_ms + 5)
                heapq.heappush(events, (down, next(order), "receipt", (dict(held), offer)))
            else:
                settled, offer = told  # type: ignore[misc]
                outbox.answered(offer, now)
                outbox.heard_receipt(now)
                for line, numbers in settled.items():
                    outbox.settled(line, numbers, now)
        self.goodput = self.delivered / seconds


@pytest.mark.parametrize(
    ("bytes_per_s", "one_way_ms", "loss"),
    [
        (8000, 300, 0.0),
        (8000, 300, 0.01),
        (1200, 600, 0.0),
        (40_000, 40, 0.02),
        (1_000_000, 25, 0.0),
        (20_000, 1500, 0),
    ],
)
def test_a_link_is_used_and_what_waits_in_it_stays_short(bytes_per_s: float, one_way_ms: int, loss: float) -> None:
    played = Played(bytes_per_s, one_way_ms, loss, 180)
    assert played.goodput > 0.65 * (bytes_per_s - 240)  # live takes its share
    batch_ms = 2300 / bytes_per_s * 1000
    queued = sorted(played.queued_ms[len(played.queued_ms) // 10 :])
    assert queued[len(queued) // 2] < 1200 + 2 * batch_ms
    assert max(played.live_ages) < 3500 + 2 * one_way_ms + 2 * batch_ms
    assert played.overdue == played.frozen == 0
