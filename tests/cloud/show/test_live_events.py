"""Changes reach the page by themselves: a batch, an alarm, silence, and the end of the centre."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from haihe_cloud.show import stream
from haihe_cloud.show.feed import LiveFeed
from haihe_contract.quality import Grade
from haihe_contract.record import LANE_LIVE, Readings

from tests.cloud.show.conftest import call
from tests.cloud.show.flood import CAST, Centre, Journal, crowd, register, serve


class Page:
    """An EventSource over a real socket."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=15)
        self._connection.request("GET", "/api/v1/events")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.headers["Content-Type"].startswith("text/event-stream")

    def next(self) -> tuple[str, Any] | None:
        name, data = "", None
        while line := self._answer.readline():
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                name = text[7:]
            elif text.startswith("data: "):
                data = json.loads(text[6:])
            elif not text and name:
                return name, data
        return None

    def until(self, wanted: str) -> Any:
        while (found := self.next()) is not None:
            if found[0] == wanted:
                return found[1]
        raise AssertionError(f"the stream ended before {wanted}")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path)
    register(made)
    made.start()
    yield made
    made.close()


def say(centre: Centre, journal: Journal, level: float, *, volatile: bool = False) -> None:
    now = centre.clock.now_ms()
    records = journal.opening() if not journal.number else []
    records.append(journal.next(Readings(now, int(Grade.GNSS), [0], [level])))
    head, code = journal.number, journal.part.code
    centre.take(code, journal.line, records, lane=LANE_LIVE, head=head, tail=1, at=now, volatile=volatile)


def state_now(centre: Centre) -> str:
    """The station's state once the feed has worked off everything."""
    while centre.ledger.wait(position := centre.ledger.position("page"), 0.0):
        threading.Event().wait(0.02)
    assert position
    station = centre.registry.get(CAST[0].code)
    assert station
    return str(centre.feed.state(station).worst)


def test_a_batch_and_its_alarm_reach_every_listening_page(centre: Centre) -> None:
    with serve(centre) as address:
        pages = [Page(address), Page(address)]
        for page in pages:
            assert page.until("hello")["now_ms"] > 0
            page.until("stations")  # the first look tells all
        journal = Journal(CAST[0], centre.clock.now_ms())
        say(centre, journal, 7.77)
        for page in pages:
            for _ in range(3):
                news = page.until("stations")["stations"]
                if any(each["code"] == CAST[0].code and each["level"] for each in news):
                    break
            row = next(each for each in news if each["code"] == CAST[0].code)
            assert row["state"] == "above_guarantee"
            assert row["level"]["value"] == 7.77
            while not (book := page.until("alarms"))["alarms"]:
                pass
            assert book["unanswered"] >= 1
            page.close()


def test_values_sent_from_memory_while_the_disk_refuses_are_shown(centre: Centre) -> None:
    say(centre, Journal(CAST[0], centre.clock.now_ms()), 7.77, volatile=True)
    assert state_now(centre) == "above_guarantee"


def test_a_heartbeat_comes_while_nothing_happens(centre: Centre) -> None:
    with serve(centre, heartbeat_s=0.3) as address:
        page = Page(address)
        first = page.until("heartbeat")["now_ms"]
        assert page.until("heartbeat")["now_ms"] > first
        page.close()


def test_silence_is_told_without_a_word_from_the_station(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    station = centre.registry.stations()[0]
    centre.registry.add(
        type(station)(**{**{f: getattr(station, f) for f in station.__struct_fields__}, "silent_after_s": 1})
    )
    monkeypatch.setattr("haihe_cloud.show.api.SWEEP_MS", 100)
    say(centre, Journal(CAST[0], centre.clock.now_ms()), 4.0)
    with serve(centre, heartbeat_s=0.2) as address:
        page = Page(address)
        while True:
            news = {each["code"]: each for each in page.until("stations")["stations"]}
            if news.get(CAST[0].code, {}).get("state") == "silent":
                break
        page.close()


def test_backfill_never_shows_as_current(centre: Centre) -> None:
    journal = Journal(CAST[0], centre.clock.now_ms())
    say(centre, journal, 5.5)
    old = journal.next(Readings(centre.clock.now_ms() - 3_600_000, int(Grade.GNSS), [0], [7.9]))
    now = centre.clock.now_ms()
    centre.take(CAST[0].code, journal.line, [old], lane=2, head=journal.number, tail=1, at=now)
    with serve(centre) as address:
        assert state_now(centre) == "normal"
        _, body = call(f"{address}/api/v1/stations/{CAST[0].code}")
        assert body["station"]["level"]["value"] == 5.5
        assert body["station"]["state"] == "normal"


def test_readings_of_a_clockless_boot_are_history_once_the_clock_is_known(centre: Centre) -> None:
    journal = Journal(CAST[0], centre.clock.now_ms())
    now = centre.clock.now_ms()
    opening = journal.opening()
    clockless = journal.next(Readings(60_000, int(Grade.NONE), [0], [7.9]))
    centre.take(CAST[0].code, journal.line, [*opening, clockless], lane=LANE_LIVE, head=4, tail=1, at=now)
    assert state_now(centre) == "above_guarantee"
    timed = journal.next(Readings(now, int(Grade.GNSS), [0], [5.5]))
    centre.take(CAST[0].code, journal.line, [timed], lane=LANE_LIVE, head=5, tail=1, at=now)
    assert state_now(centre) == "normal"
    again = LiveFeed(store=centre.store, ledger=centre.ledger, registry=centre.registry, clock=centre.clock)
    again.load()
    station = centre.registry.get(CAST[0].code)
    assert station
    assert again.state(station).worst == "normal"


def test_too_many_pages_are_refused_with_a_sentence(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LISTENERS_MAX", 1)
    with serve(centre) as address:
        page = Page(address)
        page.until("hello")
        status, fault = call(f"{address}/api/v1/events?lang=en")
        assert status == 503
        assert "too many" in fault["what"]
        page.close()


def test_a_stopping_centre_ends_its_streams(centre: Centre) -> None:
    with serve(centre) as address:
        page = Page(address)
        page.until("hello")
        centre.feed.close()
        while page.next() is not None:
            pass
        page.close()


def test_a_page_that_does_not_read_is_dropped(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_S", 0.3)
    monkeypatch.setattr(stream, "GATHER_S", 0.0)
    crowd(centre, 200)
    with serve(centre) as address, socket.socket() as dumb:
        dumb.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        place = urlsplit(address)
        dumb.connect((place.hostname, place.port))
        dumb.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        page = Page(address)
        page.until("hello")
        joined = False
        for _ in range(2000):
            joined = joined or len(centre.feed.listeners) == 2
            if joined and len(centre.feed.listeners) == 1:
                break
            centre.feed.changed("stations")
            page.until("stations")  # the one that reads goes on hearing
        assert len(centre.feed.listeners) == 1
        page.close()
