"""What is missed is known over restarts: from the file, and from the journal's end where that is newer."""

import itertools
from collections.abc import Callable
from pathlib import Path

from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_contract.record import Dictionary, Event, Opened, Readings
from haihe_edge.acquire import Known
from haihe_edge.journal import Folder, Journal
from haihe_edge.remember.recalled import FILE, TAIL_RECORDS_MAX, Recalled
from haihe_edge.site import Site

from tests.edge.acquire.memory.conftest import Bench

LINES = itertools.count(1)
HOUR_MS = 3_600_000


def opened(site: Site) -> Journal:
    def first(previous: int, last: int, last_ms: int, closed: bool) -> Opened:
        return Opened(1, "boot", 1, Grade.NTP, previous, last, last_ms, 1000, closed, "0", "site")

    folder = Folder(site.journal.directory)
    return Journal.open(
        folder,
        size=1 << 24,
        clock=SystemClock(),
        entropy=lambda: next(LINES),
        dictionary=Dictionary(site.dictionary()),
        opened=first,
    )


def killed(journal: Journal) -> None:
    """The process is gone; its lock goes with it and nothing else is done."""
    journal._disk.leave()


def read(journal: Journal, recalled: Recalled, *times_ms: int) -> None:
    for time_ms in times_ms:
        journal.append(Readings(time_ms, Grade.NTP, [0], [1.0], []))
        recalled.missed.see(0, time_ms)


def test_a_line_that_a_write_opened_in_between_hides_nothing_of_what_was_measured(
    bench: Callable[..., Bench],
) -> None:
    site = bench("ring").site
    journal = opened(site)
    read(journal, Recalled(site, journal), HOUR_MS)
    journal.commit()
    killed(journal)
    alone = opened(site)
    alone.append(Event(2 * HOUR_MS, Grade.NTP, "written"))
    alone.close()
    journal = opened(site)
    recalled = Recalled(site, journal)
    assert recalled.missed.known() == {0: Known(HOUR_MS)}
    read(journal, recalled, 3 * HOUR_MS)
    assert recalled.missed.known() == {0: Known(3 * HOUR_MS, [(HOUR_MS, 3 * HOUR_MS)])}


def test_the_file_never_says_more_than_what_is_durable(bench: Callable[..., Bench]) -> None:
    site = bench("ring").site
    journal = opened(site)
    recalled = Recalled(site, journal)
    read(journal, recalled, HOUR_MS)
    recalled.note()
    recalled.save()
    assert not (site.journal.directory / FILE).exists()
    journal.commit()
    recalled.save()
    assert (site.journal.directory / FILE).exists()


def test_the_file_is_written_again_before_the_journals_end_would_not_reach_back_to_it(
    bench: Callable[..., Bench],
) -> None:
    site = bench("ring").site
    file: Path = site.journal.directory / FILE
    journal = opened(site)
    recalled = Recalled(site, journal)

    def writes(times_ms: range) -> int:
        found = 0
        for time_ms in times_ms:
            read(journal, recalled, time_ms)
            journal.commit()
            before = file.read_bytes() if file.exists() else b""
            recalled.note()
            recalled.save()
            found += file.read_bytes() != before if file.exists() else 0
        return found

    assert writes(range(HOUR_MS, HOUR_MS + TAIL_RECORDS_MAX // 2)) == 1
    assert writes(range(2 * HOUR_MS, 2 * HOUR_MS + TAIL_RECORDS_MAX // 2)) == 1
    killed(journal)
    again = Recalled(site, opened(site))
    assert again.missed.known() == recalled.missed.known()
