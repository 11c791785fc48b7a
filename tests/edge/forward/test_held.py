"""What a centre holds is kept by a thread, while receipts go on arriving."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import LineHeld, LineWanted, Receipt
from haihe_edge.forward import held as held_module
from haihe_edge.forward.held import Held


def receipt(line: int, *, epoch: int = 1) -> Receipt:
    return Receipt(1, "bureau", epoch, "31005650", 0, [LineHeld(line, [(1, 5)])])


LINE, OLD = 7, 6
AHEAD_MS = 1_000_000
"""By so much the centre's clock ran ahead."""


def stated(issued_ms: int, *held: tuple[int, int], wanted: tuple[int, int] | None = None, line: int = LINE) -> Receipt:
    asked = [LineWanted(line, [wanted])] if wanted else []
    return Receipt(1, "bureau", 1, "31005650", issued_ms, [LineHeld(line, list(held))], None, asked)


@pytest.fixture
def asked_ahead() -> Held:
    """A centre whose clock ran ahead has asked for 10 to 20 when the station's newest record was 100."""
    held = Held()
    held.take(stated(50, (1, 100)), (LINE, 100))
    held.take(stated(AHEAD_MS + 100, (1, 9), (21, 100), wanted=(10, 20)), (LINE, 100))
    assert held.of(LINE) == RangeSet.of((1, 9), (21, 100))
    return held


def test_a_centre_that_asked_with_its_clock_ahead_is_believed_once_it_states_what_was_recorded_since(
    asked_ahead: Held,
) -> None:
    asked_ahead.take(stated(200, (1, 101)), (LINE, 101))
    assert asked_ahead.of(LINE) == RangeSet.of((1, 101))


def test_a_receipt_of_before_the_asking_never_settles_what_was_asked(asked_ahead: Held) -> None:
    for issued_ms in (50, 150, AHEAD_MS + 50):  # by whichever clock, and however late it comes
        asked_ahead.take(stated(issued_ms, (1, 100)), (LINE, 130))
        assert asked_ahead.of(LINE) == RangeSet.of((1, 9), (21, 100))


def test_a_number_of_another_line_proves_nothing(asked_ahead: Held) -> None:
    lines = [LineHeld(LINE, [(1, 100)]), LineHeld(OLD, [(1, 500)])]
    asked_ahead.take(Receipt(1, "bureau", 1, "31005650", 150, lines), (LINE, 130))
    assert asked_ahead.of(LINE) == RangeSet.of((1, 9), (21, 100))


def test_once_the_clock_has_gone_back_no_time_of_issue_settles_what_is_asked_then(asked_ahead: Held) -> None:
    asked_ahead.take(stated(200, (1, 9), (21, 110), wanted=(10, 20)), (LINE, 110))  # the right clock, asking on
    asked_ahead.take(stated(AHEAD_MS + 200, (1, 100)), (LINE, 130))  # of before that, by the clock that ran ahead
    assert asked_ahead.of(LINE) == RangeSet.of((1, 9), (21, 110))
    asked_ahead.take(stated(220, (1, 111)), (LINE, 130))
    assert asked_ahead.of(LINE) == RangeSet.of((1, 111))


def test_what_an_outdated_receipt_asks_for_is_not_sent_again(asked_ahead: Held) -> None:
    asked_ahead.take(stated(60, (1, 9), wanted=(30, 40)), (LINE, 130))
    assert asked_ahead.of(LINE) == RangeSet.of((1, 9), (21, 100))


def test_what_was_asked_for_stays_asked_for_when_a_later_receipt_asks_for_something_else(asked_ahead: Held) -> None:
    asked_ahead.take(stated(AHEAD_MS + 200, (1, 9), (21, 100), wanted=(30, 40)), (LINE, 100))
    asked_ahead.take(stated(AHEAD_MS, (1, 100)), (LINE, 100))  # an old file that was carried here late
    assert asked_ahead.of(LINE) == RangeSet.of((1, 9), (21, 29), (41, 100))
    asked_ahead.take(stated(AHEAD_MS + 300, (1, 15), (21, 100)), (LINE, 100))
    asked_ahead.take(stated(AHEAD_MS, (1, 100)), (LINE, 100))
    assert asked_ahead.of(LINE) == RangeSet.of((1, 15), (21, 100)), "what a later one has settled, it may state, too"


class Sync:
    """A card that takes its time: whoever writes a file waits for ``release``."""

    def __init__(self, real: Callable[[Path, bytes], None]) -> None:
        self.reached, self.release = threading.Event(), threading.Event()
        self._real = real

    def __call__(self, path: Path, data: bytes) -> None:
        self.reached.set()
        assert self.release.wait(10)
        self._real(path, data)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sync]:
    made = Sync(held_module.write_whole)
    monkeypatch.setattr(held_module, "write_whole", made)
    yield made
    made.release.set()


def test_a_receipt_that_comes_while_the_ones_before_are_saved_is_saved_the_next_time(
    tmp_path: Path, slow: Sync
) -> None:
    held = Held(tmp_path / "receipts-bureau")
    held._epoch_saved, held.epoch = True, 1
    held.take(receipt(1))
    saving = threading.Thread(target=held.save)
    saving.start()
    assert slow.reached.wait(10)
    held.take(receipt(2))
    slow.release.set()
    saving.join(10)
    held.save()
    assert Held(tmp_path / "receipts-bureau").of(2) == RangeSet.of((1, 5))


def test_an_epoch_that_begins_while_the_old_one_is_saved_is_what_stays_on_the_card(tmp_path: Path, slow: Sync) -> None:
    held = Held(tmp_path / "receipts-bureau")
    held._epoch_saved, held.epoch = True, 1
    held.take(receipt(1))
    faults: list[OSError] = []

    def told(work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            faults.append(error)

    saving = threading.Thread(target=told, args=(held.save,))
    saving.start()
    assert slow.reached.wait(10)
    taking = threading.Thread(target=told, args=(lambda: held.take(receipt(2, epoch=2)),))
    taking.start()
    taking.join(0.2)
    slow.release.set()
    saving.join(10)
    taking.join(10)
    assert not faults
    again = Held(tmp_path / "receipts-bureau")
    assert (again.epoch, again.of(1)) == (2, EMPTY)


def test_saving_bears_that_receipts_of_new_lines_arrive_meanwhile(tmp_path: Path) -> None:
    held = Held(tmp_path / "receipts-bureau")
    for line in range(1, 3000):
        held.take(receipt(line))
    faults: list[Exception] = []

    def save() -> None:
        for _ in range(60):
            held._saved = False
            try:
                held.save()
            except Exception as error:  # noqa: BLE001 - whatever would end the agent
                faults.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        saving = threading.Thread(target=save)
        saving.start()
        line = 3000
        while saving.is_alive():
            line += 1
            held.take(receipt(line))
            held.keep_only(set(range(3000)))
        saving.join()
    finally:
        sys.setswitchinterval(before)
    assert not faults


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may read nothing")
def test_a_folder_that_may_not_be_read_costs_only_repetitions(tmp_path: Path) -> None:
    (tmp_path / "receipts-bureau").touch()
    tmp_path.chmod(0)
    os.seteuid(65534)
    try:
        assert Held(tmp_path / "receipts-bureau").lines == {}
    finally:
        os.seteuid(0)


def test_a_changed_bit_in_what_was_kept_of_receipts_costs_only_repetitions(tmp_path: Path) -> None:
    path = tmp_path / "receipts-bureau"
    held = Held(path)
    held.take(receipt(LINE, epoch=1_790_000_000_000))
    held.save()
    whole = path.read_bytes()
    assert Held(path).of(LINE) == RangeSet.of((1, 5))
    for at in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        path.write_bytes(changed)
        assert (Held(path).epoch, Held(path).lines) == (0, {})


def test_a_pipe_in_the_place_of_what_was_kept_of_receipts_stops_no_start(tmp_path: Path) -> None:
    path = tmp_path / "receipts-bureau"
    os.mkfifo(path)
    held = Held(path)
    assert held.lines == {}
    held.take(receipt(LINE))
    held.save()
    assert Held(path).of(LINE) == RangeSet.of((1, 5))
