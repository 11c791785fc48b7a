"""Time is measured, not assumed."""

from haihe_contract.quality import Grade
from haihe_edge.clock import kernel
from haihe_edge.clock.trust import BUILT_MS, ClockTrust, Stamp

NOW = BUILT_MS + 86_400_000


def test_a_clock_before_the_newest_record_is_no_clock_and_the_boot_is_counted_instead() -> None:
    assert ClockTrust(NOW).stamp(NOW - 1, 5_000, synchronised=False) == Stamp(5_000, Grade.NONE)
    assert ClockTrust(NOW).stamp(1_000, 5_000, synchronised=True) == Stamp(5_000, Grade.NONE)


def test_an_unchecked_clock_is_used_and_says_that_nobody_checked_it() -> None:
    assert ClockTrust(NOW).stamp(NOW, 5_000, synchronised=False) == Stamp(NOW, Grade.SYSTEM)


def test_a_clock_that_ntp_disciplines_says_so() -> None:
    assert ClockTrust().stamp(NOW, 5_000, synchronised=True).grade == Grade.NTP


def test_a_fresh_satellite_fix_that_agrees_confirms_the_system_clock() -> None:
    trust = ClockTrust()
    trust.saw_gnss(NOW - 300, 5_000, NOW)
    assert trust.stamp(NOW + 1_000, 6_000, synchronised=False) == Stamp(NOW + 1_000, Grade.GNSS)


def test_a_wrong_system_clock_is_overruled_by_satellite_time_and_never_set() -> None:
    trust = ClockTrust()
    trust.saw_gnss(NOW, 5_000, NOW - 3_600_000)
    assert trust.stamp(NOW - 3_590_000, 15_000, synchronised=True) == Stamp(NOW + 10_000, Grade.GNSS)
    assert trust.offset_ms == -3_600_000


def test_an_old_fix_proves_nothing_any_more() -> None:
    trust = ClockTrust()
    trust.saw_gnss(NOW, 5_000, NOW)
    assert trust.stamp(NOW + 700_000, 705_000, synchronised=False).grade == Grade.SYSTEM


def test_a_fix_from_before_this_software_existed_is_not_believed() -> None:
    trust = ClockTrust()
    trust.saw_gnss(315_964_800_000, 5_000, NOW)
    assert trust.stamp(NOW, 5_000, synchronised=False).grade == Grade.SYSTEM


def test_the_kernel_answers_without_rights() -> None:
    assert kernel.synchronised() in (True, False)
    assert kernel.boot_id()
