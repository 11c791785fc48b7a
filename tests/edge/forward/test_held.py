"""What a centre holds is kept by a thread, while receipts go on arriving."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import LineHeld, Receipt
from haihe_edge.forward import held as held_module
from haihe_edge.forward.held import Held


def receipt(line: int, *, epoch: int = 1) -> Receipt:
    return Receipt(1, "bureau", epoch, "31005650", 0, [LineHeld(line, [(1, 5)])])


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
