"""What the InfluxDB store does when the engine dies, is away, or will not take a line."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from haihe_cloud.store.influx import InfluxStore
from haihe_cloud.store.influxql import Table
from haihe_cloud.store.port import StoreAway

from tests.cloud.store.readings import LEVEL, T0, level
from tests.influx import ORG, Influx

pytestmark = pytest.mark.influx


def opened(server: Influx, bucket: str) -> InfluxStore:
    return InfluxStore(server.url, server.token, ORG, bucket, timeout_s=5)


def test_rows_survive_a_kill_of_the_engine_right_after_the_write(influx: Influx, tmp_path: Path) -> None:
    server = Influx(tmp_path / "own")
    store = opened(server, server.bucket("killed"))
    rows = [level(T0 + n, n / 8, n + 1) for n in range(500)]
    assert store.write({"a": rows}) == []
    server.kill()
    with pytest.raises(StoreAway):
        store.write({"a": [level(T0 + 1000, 1.0, 501)]})
    with pytest.raises(StoreAway):
        store.latest("a")
    server.start()
    assert store.write({"a": [level(T0 + 1000, 1.0, 501)]}) == []
    assert store.read("a", LEVEL, 0, 2**60) == [*rows, level(T0 + 1000, 1.0, 501)]
    assert store.conflicts("a") == []
    assert store.write({"a": [level(T0 + 1000, 2.0, 502)]}) == []
    assert [c.reading for c in store.conflicts("a")] == [level(T0 + 1000, 1.0, 501)]
    store.close()
    server.stop()


def test_a_few_old_readings_far_apart_do_not_fetch_the_millions_between_them(influx: Influx) -> None:
    store = opened(influx, influx.bucket("sparse"))
    dense = [level(T0 + n * 10_000, n / 8, n + 1) for n in range(7000)]
    assert store.write({"a": dense}) == []
    fetched = []
    ask_all = store.ask.ask_all

    def counted(statements: Iterable[str], *, epoch: str = "ms") -> list[list[Table]]:
        answers = ask_all(statements, epoch=epoch)
        fetched.extend(row for tables in answers for table in tables for row in table.rows)
        return answers

    store.ask.ask_all = counted  # type: ignore[method-assign]
    sparse = [level(T0 + n * 10_000, -1.0, n + 1, line=1) for n in range(0, 7000, 350)]
    assert store.write({"a": sparse}) == []
    assert len(fetched) < 1000
    assert store.read("a", LEVEL, 0, 2**60) == dense
    assert [each.reading for each in store.conflicts("a")] == sparse[::-1]
    store.close()


def test_an_engine_that_was_never_there_is_away_within_the_time_limit() -> None:
    store = InfluxStore("http://127.0.0.1:9", "", ORG, "none/autogen", timeout_s=2)
    with pytest.raises(StoreAway):
        store.write({"a": [level()]})
    with pytest.raises(StoreAway):
        store.series("a")
    store.close()


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, None])
def test_busy_broken_or_silent_engines_are_away_and_blame_no_reading(status: int | None) -> None:
    class Peer(BaseHTTPRequestHandler):
        """Answers every question with one status, or never."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/query"):
                self._answer(200, b'{"results":[{}]}')
            elif status is not None:
                self._answer(status, b"{}")
            else:
                released.wait(20)

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    store = InfluxStore(f"http://127.0.0.1:{server.server_port}", "", ORG, "b", timeout_s=0.5)
    began = time.monotonic()
    with pytest.raises(StoreAway, match=str(status) if status else "timed out"):
        store.write({"a": [level()]})
    assert time.monotonic() - began < 5
    store.close()
    released.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_a_missing_bucket_is_away_and_blames_no_reading(influx: Influx) -> None:
    store = opened(influx, "nobody_made_this/autogen")
    with pytest.raises(StoreAway, match="not found"):
        store.write({"a": [level()]})
    store.close()


def test_lines_the_engine_will_never_take_are_named_and_the_rest_is_stored(influx: Influx) -> None:
    store = opened(influx, influx.bucket("short_retention", days=3650))
    good = [level(T0 + n, 1.0, n + 1) for n in range(40)]
    ancient = [level(1000 + n, 2.0, n + 100) for n in range(2)]
    refused = store.write({"a": [*good[:20], ancient[0], *good[20:30], ancient[1], *good[30:]]})
    assert [r.reading for r in refused] == ancient
    assert all("retention" in r.why for r in refused)
    assert store.read("a", LEVEL, 0, 2**60) == good
    store.close()


def test_a_set_up_that_refuses_every_line_blames_no_reading(influx: Influx) -> None:
    store = InfluxStore(influx.url, influx.token, ORG, "", timeout_s=5)
    with pytest.raises(StoreAway):
        store.write({"a": [level()]})
    store.close()


def test_live_flow_costs_no_reads(influx: Influx) -> None:
    if influx.is_two:
        pytest.skip("counts queries by the debug page of InfluxDB 1.x")
    store = opened(influx, influx.bucket("live"))
    store.write({"a": [level()]})
    before = _queries(influx)
    for n in range(1, 20):
        store.write({"a": [level(T0 + n * 1000, 1.0, n + 1)]})
    assert _queries(influx) == before
    store.write({"a": [level(T0 + 500, 1.0, 500)]})
    assert _queries(influx) == before + 1
    store.close()


def _queries(server: Influx) -> int:
    with urllib.request.urlopen(f"{server.url}/debug/vars", timeout=5) as answer:
        facts = json.load(answer)
    return int(next(v for k, v in facts.items() if k.startswith("httpd"))["values"]["queryReq"])
