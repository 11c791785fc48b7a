"""A broker that hangs up over long messages gets shorter ones; one that hung up over something else does not."""

from haihe_contract.wire import BATCH_BYTES_MAX
from haihe_edge.link.tolerated import BYTES_MIN, ENDS, FORGET_MS, Tolerated


def hung_up(tolerated: Tolerated, longest: int, now_ms: int) -> None:
    for _ in range(ENDS):
        tolerated.ended(longest, now_ms)


def test_what_ended_connections_again_and_again_is_halved_until_it_passes_and_never_below_a_record() -> None:
    tolerated = Tolerated()
    assert tolerated.bytes_max(0) == BATCH_BYTES_MAX
    tolerated.ended(5000, 0)
    assert tolerated.bytes_max(0) == BATCH_BYTES_MAX, "once is chance"
    tolerated.ended(5000, 0)
    assert tolerated.bytes_max(0) == 2500
    for _ in range(10):
        hung_up(tolerated, 5000, 0)
    assert tolerated.bytes_max(0) == BYTES_MIN


def test_an_answer_to_a_message_as_long_acquits_its_length_and_one_to_a_short_message_does_not() -> None:
    tolerated = Tolerated()
    hung_up(tolerated, 4000, 0)
    for _ in range(10):
        tolerated.ended(2000, 0)
        tolerated.taken(1900)
    assert tolerated.bytes_max(0) == 2000
    tolerated.ended(2000, 0)
    tolerated.taken(100)
    tolerated.ended(2000, 0)
    assert tolerated.bytes_max(0) == 1000


def test_after_an_hour_longer_messages_are_tried_again() -> None:
    tolerated = Tolerated()
    hung_up(tolerated, 4000, 0)
    assert tolerated.bytes_max(FORGET_MS - 1) == 2000
    assert tolerated.bytes_max(FORGET_MS) == BATCH_BYTES_MAX
