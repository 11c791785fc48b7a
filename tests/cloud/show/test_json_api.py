"""The JSON API over a real socket: right answers to right questions, sentences to wrong ones."""

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.show.words import CHINESE
from haihe_contract.record import SeriesSummary, Summary

from tests.cloud.samples import arrival
from tests.cloud.show.conftest import Ask, call
from tests.cloud.show.flood import CAST, HOUR, LEVEL, RAIN, VOLT, Centre, fill, register, serve

FLOODED, SILENT, SUSPECT, LATE, MISSING, UNTIMED, GAP = (
    "30950101",
    "30950202",
    "30950303",
    "30950505",
    "30950606",
    "30950707",
    "30950808",
)


def station(ask: Ask, code: str) -> dict[str, Any]:
    status, body = ask(f"/api/v1/stations/{code}")
    assert status == 200
    return dict(body)


def query(**facts: object) -> str:
    return urllib.parse.urlencode(facts)


def test_the_list_is_worst_first_and_counts_every_state_that_holds(ask: Ask) -> None:
    status, body = ask("/api/v1/stations")
    assert status == 200
    states = {each["code"]: (each["state"], each["also"]) for each in body["stations"]}
    assert body["stations"][0]["code"] == FLOODED
    assert states[FLOODED] == ("above_guarantee", [])
    assert states[SILENT] == ("above_warning", ["silent"])
    assert states[SUSPECT] == ("above_warning", ["unverified"])
    assert states[LATE][0] == "late"
    assert states[MISSING][0] == "no_value"
    assert states[UNTIMED][0] == "time_unknown"
    assert states["30950909"][0] == "never_heard"
    assert body["counts"]["silent"] == 1
    assert [each["code"] for each in body["unknown"]] == ["31009999"]


def test_a_margin_needs_level_limits_and_datum_together(ask: Ask) -> None:
    level = station(ask, FLOODED)["station"]["level"]
    assert (level["datum"], level["warning"], level["guarantee"]) == ("dagu", 6.0, 7.0)
    assert level["value"] > 7.0
    assert level["trend"] in ("rising", "falling", "steady")


def test_backlog_and_gaps_are_told_per_line(ask: Ask) -> None:
    late = station(ask, LATE)
    assert late["station"]["waiting"] >= 4000
    assert late["lines"][0]["waiting"] == late["station"]["waiting"]
    gap = station(ask, GAP)
    assert gap["lines"][0]["gaps"] > 0 or gap["station"]["missing"] == 0


def test_a_missing_value_is_null_and_the_last_good_one_is_named(ask: Ask) -> None:
    level = next(each for each in station(ask, MISSING)["series"] if each["series"] == LEVEL)
    assert (level["value"], level["flag"]) == (None, 9)
    assert level["last_value"] is not None
    assert level["last_value_ms"] < level["time_ms"]


def test_a_reading_without_clock_has_no_time_but_an_arrival(ask: Ask) -> None:
    level = next(each for each in station(ask, UNTIMED)["series"] if each["series"] == LEVEL)
    assert level["time_ms"] is None
    assert level["received_ms"] is not None
    assert station(ask, UNTIMED)["untimed"] > 0


def test_readings_keep_their_peak_in_few_points(ask: Ask, flooded: Centre) -> None:
    now = flooded.clock.now_ms()
    span = query(series=LEVEL, start=now - 4 * HOUR, end=now, points=20)
    status, body = ask(f"/api/v1/stations/{FLOODED}/readings?{span}")
    stored = flooded.store.read(FLOODED, LEVEL, now - 4 * HOUR, now)
    assert status == 200
    assert max(v for v in body["value"] if v is not None) == max(r.value or 0 for r in stored)
    assert len(body["time_ms"]) <= 30
    assert body["total"] == len(stored)


def test_rain_sums_agree_with_the_counter(ask: Ask, flooded: Centre) -> None:
    now = flooded.clock.now_ms()
    start = now // HOUR * HOUR - 2 * HOUR
    span = query(bucket=3600, start=start, end=start + 2 * HOUR)
    status, body = ask(f"/api/v1/stations/{FLOODED}/rain?{span}")
    assert status == 200
    known = [each for each in body["buckets"] if each["mm"] is not None]
    assert known
    for each in known:
        counter = flooded.store.read(FLOODED, RAIN, each["start_ms"] - 60_000, each["end_ms"] + 1)
        before = [r.value or 0 for r in counter if r.time_ms <= each["start_ms"]][-1]
        assert each["mm"] == pytest.approx((counter[-1].value or 0) - before)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/stations/99999999", 404),
        ("/api/v1/stations/lower", 422),
        ("/api/v1/stations/%2e%2e%2f%2e%2e", 404),
        (f"/api/v1/stations/{FLOODED}/readings", 422),
        (f"/api/v1/stations/{FLOODED}/readings?series=nonsense", 422),
        (f"/api/v1/stations/{FLOODED}/readings?series={LEVEL}&points=1000000", 422),
        (f"/api/v1/stations/{FLOODED}/readings?series={LEVEL}&start=5&end=4", 422),
        (f"/api/v1/stations/{FLOODED}/readings?series={LEVEL}&start=0&end=4000000000000", 422),
        (f"/api/v1/stations/{FLOODED}/readings?series={LEVEL}&start=abc", 422),
        (f"/api/v1/stations/{FLOODED}/rain?bucket=17", 422),
        (f"/api/v1/stations/{FLOODED}/rain?bucket=300&start=0&end=2000000000", 422),
        (f"/api/v1/stations/{FLOODED}/rain?series={VOLT}", 422),
        ("/api/v1/nothing", 404),
        ("/nothing.js", 404),
    ],
)
def test_bad_input_gets_a_sentence_and_never_a_trace(ask: Ask, path: str, status: int) -> None:
    got, body = ask(path)
    assert got == status
    assert set(body) == {"what", "where", "do"}
    assert body["what"]
    assert "Traceback" not in json.dumps(body)


def test_faults_speak_chinese_and_english(ask: Ask) -> None:
    assert "没有测站" in ask("/api/v1/stations/99999999?lang=zh")[1]["what"]
    assert "no station" in ask("/api/v1/stations/99999999?lang=en")[1]["what"]


def test_every_sentence_of_the_package_has_its_chinese() -> None:
    source = "".join(
        (Path(__file__).parents[3] / "cloud/haihe_cloud/show" / name).read_text("utf-8")
        for name in ("faults.py", "api.py", "app.py")
    )
    assert all(sentence in source for sentence in CHINESE)
    assert all(zh for zh in CHINESE.values())


def test_health_names_its_reasons_and_metrics_count(ask: Ask, flooded: Centre) -> None:
    assert ask("/healthz") == (200, {"healthy": True, "reasons": []})
    flooded.faults.append("the broker cannot be reached")
    try:
        assert ask("/healthz") == (503, {"healthy": False, "reasons": ["the broker cannot be reached"]})
    finally:
        flooded.faults.clear()
    _, text = ask("/metrics")
    assert 'haihe_stations{state="above_guarantee"} 1.0' in text
    assert f'haihe_station_waiting_records{{station="{LATE}"}}' in text
    assert f"haihe_ingest_batches {float(flooded.batches)}" in text


def test_openapi_describes_every_address(ask: Ask) -> None:
    _, spec = ask("/openapi.json")
    operations = [op for path in spec["paths"].values() for op in path.values()]
    assert len(operations) >= 11
    assert all(op.get("summary") and op.get("description") and op.get("tags") for op in operations)


def test_an_answer_is_written_once_and_shown(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    fill(centre, hours=1)
    try:
        with serve(centre, write_token="s3cret") as address:
            _, book = call(f"{address}/api/v1/alarms")
            alarm = next(each for each in book["alarms"] if each["station"] == FLOODED)
            url = f"{address}/api/v1/alarms/{alarm['id']}/answer"
            good = {"Authorization": "Bearer s3cret"}
            body = {"who": "王海燕", "note": "巡堤"}
            assert call(url, body=body)[0] == 401
            assert call(url, body=body, headers={"Authorization": "Bearer wrong"})[0] == 403
            assert call(url, body=body, headers=good | {"Origin": "http://elsewhere.example"})[0] == 403
            assert call(url, body=body, headers=good | {"Sec-Fetch-Site": "cross-site"})[0] == 403
            assert call(url, body=body, headers=good | {"Content-Type": "text/plain"})[0] in (415, 422)
            assert call(url, body={"who": " "}, headers=good)[0] == 422
            assert call(url, body={"who": "x" * 41}, headers=good)[0] == 422
            assert call(f"{address}/api/v1/alarms/999999/answer", body=body, headers=good)[0] == 409
            status, answered = call(url, body=body, headers=good | {"Origin": address})
            assert (status, answered["answered_by"], answered["note"]) == (200, "王海燕", "巡堤")
            _, again = call(f"{address}/api/v1/alarms")
            assert again["unanswered"] == book["unanswered"] - 1
    finally:
        centre.close()


def test_a_centre_without_any_data_answers_everything(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    register(centre)
    centre.start()
    try:
        with serve(centre) as address:
            _, body = call(f"{address}/api/v1/stations")
            assert body["counts"]["never_heard"] == len(CAST) + 1
            assert call(f"{address}/api/v1/stations/{FLOODED}")[1]["series"] == []
            assert call(f"{address}/api/v1/stations/{FLOODED}/rain")[0] == 404
            assert call(f"{address}/api/v1/alarms")[1]["alarms"] == []
            assert call(f"{address}/metrics")[0] == 200
    finally:
        centre.close()


def test_values_after_a_restart_are_those_of_before(tmp_path: Path) -> None:
    first = Centre(tmp_path)
    fill(first, hours=1)
    first.start()
    with serve(first) as address:
        _, before = call(f"{address}/api/v1/stations")
    first.close()
    second = Centre(tmp_path)
    second.start()
    with serve(second) as address:
        _, after = call(f"{address}/api/v1/stations")
    second.close()

    def seen(body: Any) -> Any:
        return [
            (s["code"], s["state"], s["also"], (s["level"] or {}).get("value"), s["waiting"]) for s in body["stations"]
        ]

    assert seen(after) == seen(before)


def test_what_is_left_of_a_thinned_block_is_told_with_mean_and_count(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    register(centre)
    now_ms = centre.clock.now_ms() - HOUR
    low, high = (now_ms + 1000, 1.5, 1, 5), (now_ms + 2000, 3.5, 1, 5)
    told = SeriesSummary(LEVEL, 60, 1, 2.5, low, high, now_ms, now_ms + 60_000)
    body = Summary(7, [(4, 63)], [told], True, now_ms)
    centre.ledger.take([arrival([9], station=FLOODED, line=7, bodies={9: body})])
    centre.start()
    try:
        with serve(centre) as address:
            asked = f"{address}/api/v1/stations/{FLOODED}/summaries?{query(series=LEVEL)}"
            status, found = call(asked)
            assert (status, found["unit"]) == (200, "m")
            (one,) = found["summaries"]
            assert (one["count"], one["missing"], one["mean"], one["highest"][1]) == (60, 1, 2.5, 3.5)
            assert call(f"{asked}&end={now_ms}")[1]["summaries"] == []
            assert call(f"{address}/api/v1/stations/{FLOODED}/summaries?series=x")[0] == 422
    finally:
        centre.close()
