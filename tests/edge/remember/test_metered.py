"""What a metered link has carried is remembered, and a damaged memory stops nothing."""

from pathlib import Path

from haihe_edge.remember.metered import SAVE_SHARE, KeptBudget
from haihe_edge.site import Allowance

NOW_MS = 1_790_000_000_000
MONTHLY = Allowance(1_000_000, monthly=True)


def test_bytes_stay_counted_over_a_restart_and_the_card_is_written_to_seldom(tmp_path: Path) -> None:
    file = tmp_path / "budget-bureau.json"
    kept = KeptBudget(tmp_path, "bureau", MONTHLY)
    kept.budget.count(1000, NOW_MS)
    kept.save()  # the period is new
    written = file.stat().st_mtime_ns
    for _ in range(4):
        kept.budget.count(1000, NOW_MS)
        kept.save()
    assert file.stat().st_mtime_ns == written
    kept.budget.count(1000, NOW_MS)
    kept.save()
    assert KeptBudget(tmp_path, "bureau", MONTHLY).budget.used_bytes(NOW_MS) == 6000
    kept.budget.count(10, NOW_MS)
    kept.keep()
    assert KeptBudget(tmp_path, "bureau", MONTHLY).budget.used_bytes(NOW_MS) == 6010


def test_a_damaged_memory_is_said_and_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "budget-bureau.json"
    file.write_bytes(b"\xff\x00")
    kept = KeptBudget(tmp_path, "bureau", MONTHLY)
    assert kept.trouble
    assert kept.budget.used_bytes(NOW_MS) == 0


def test_what_a_link_has_carried_is_worth_a_record_two_hundred_times_a_period(tmp_path: Path) -> None:
    kept = KeptBudget(tmp_path, "bureau", MONTHLY)
    steps = set()
    for _ in range(1000):
        kept.budget.count(1000, NOW_MS)
        steps.add(kept.steps)
    assert len(steps) == SAVE_SHARE + 1
    kept.budget.count(1000, NOW_MS + 40 * 86_400_000)
    assert kept.steps not in steps
    assert kept.steps > max(steps)
