"""What the plan says of text and SDI-12 buses is what happens on them."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from haihe_contract.document import DocumentError
from haihe_edge.acquire.budget import BusBudget, budgets, fitting, jobs
from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.load import Load
from haihe_edge.acquire.spoken.sdi12 import CHARACTER_MS, waking_ms
from haihe_edge.acquire.spoken.text import Framer, TextReader, raw_bytes
from haihe_edge.acquire.spoken.text_load import message_bytes
from haihe_edge.cli import main
from haihe_edge.profile import TextProfile, load_profile
from haihe_edge.site import AsciiBus, Site, load_site
from haihe_simulators.virtual_time import in_virtual_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.acquire.schedule.spoken_virtual import SpokenBench
from tests.edge.acquire.schedule.virtual import VirtualBus

PROFILES = Path(__file__).parents[4] / "firmware_profiles"
GOLDEN = Path(__file__).parents[3] / "golden" / "profiles"
HEAD = {"maker": "test", "model": "test", "grade": "simulated", "sources": ["test"]}
STATION = {"code": "31005650", "name": {"zh": "站", "en": "station"}, "latitude": 39.1458, "longitude": 117.1897}
SLACK_MS = 20
"""Clocks are read in whole milliseconds, some times in a poll."""


def text_document(name: str, answer_ms: int, pause_ms: int = 0, **more: Any) -> dict[str, Any]:
    """A polled instrument whose messages all have the same length."""
    return {
        "profile": name, **HEAD, "transport": "ascii", "units": [0, 99], "pause_ms": pause_ms,
        "answer_ms": {"typical": answer_ms, "most": 5000}, "frame": {"begin": "\x02", "end": "\r\n"},
        "messages": [{"name": "m", "send": "p{unit:2}\r", "lines": ["{unit:2};{distance:4}"]}],
        "points": [{"name": "distance", "element": "distance"}],
    } | more  # fmt: skip


def sensor_document(name: str, command: str, values: int, measure_ms: int, **more: Any) -> dict[str, Any]:
    """A sensor with one measurement."""
    elements = ("distance", "ph", "water_temperature", "turbidity", "conductivity", "dissolved_oxygen")
    return {
        "profile": name, **HEAD, "transport": "sdi12", "power": {"measure_ms": measure_ms},
        "measurements": [{"name": "all", "command": command, "values": values}],
        "points": [{"name": f"v{at}", "value": at, "element": elements[at]} for at in range(values)],
    } | more  # fmt: skip


class Made:
    """A site with one bus, made of documents."""

    def __init__(
        self, folder: Path, bus: Mapping[str, Any], instruments: Mapping[str, tuple[dict[str, Any], str]]
    ) -> None:
        self.folder = folder
        self.path = folder / "site.yaml"
        self.documents = {name: document for name, (document, _) in instruments.items()}
        written = []
        for at, (name, (document, every)) in enumerate(instruments.items(), 1):
            (folder / f"{document['profile']}.yaml").write_text(json.dumps(document))
            one = {"name": name, "profile": document["profile"], "bus": "line", "unit": at, "every": every}
            series = [{"point": p["name"], "at": name} for p in document["points"] if p.get("element")]
            for each in series:
                if any(p["name"] == each["point"] and p["element"] == "water_level" for p in document["points"]):
                    each["datum"] = "dagu"
            written.append({**one, "series": series})
        site = {"station": STATION, "journal": {"directory": "journal"}, "instruments": written}
        self.path.write_text(json.dumps({**site, "buses": [{"name": "line", "port": "/dev/nowhere", **bus}]}))

    @property
    def site(self) -> Site:
        return load_site(self.path, [self.folder])

    @property
    def budget(self) -> BusBudget:
        (found,) = budgets(self.site)
        return found

    def bench(self, **values: float) -> SpokenBench:
        return SpokenBench(self.site, self.documents, self.folder, values)


def shipped(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((PROFILES / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("document", "bus"),
    [
        (text_document("gauge", 37), {}),
        (text_document("gauge", 37, pause_ms=50), {"baud": 1200, "parity": "even", "stop_bits": 2}),
        (shipped("campbell-sr50a-serial"), {}),
        (shipped("hydreon-rg-15"), {"baud": 9600}),
        (shipped("vaisala-wxt530-ascii"), {"baud": 19200}),
    ],
    ids=["known", "slow-with-pause", "sr50a", "rg-15", "wxt530"],
)
def test_a_text_poll_takes_what_the_plan_says(tmp_path: Path, document: dict[str, Any], bus: dict[str, Any]) -> None:
    made = Made(tmp_path, {"kind": "ascii", **bus}, {"gauge": (document, "1min")})
    (load,) = made.budget.loads

    async def polled() -> tuple[float, SpokenBench]:
        bench = made.bench(distance=1838)
        await bench.poll()  # the first has no pause before it, and sets the instrument up
        line = bench.line
        line.requests = line.bytes_out = line.bytes_in = 0
        took, samples = await bench.poll()
        assert any(value is not None for _, value, _ in samples)
        await bench.close()
        return took, bench

    took, bench = in_virtual_time(polled())
    assert (bench.line.requests, bench.line.bytes_out) == (load.requests, load.bytes_out)
    if load.length == "known":
        assert bench.line.bytes_in == load.bytes_in
    bus_ = next(iter(made.site.buses.values()))
    assert isinstance(bus_, AsciiBus)
    spared = (load.bytes_in - bench.line.bytes_in) * character_ms(bus_.baud, bus_.parity, bus_.stop_bits)
    assert took == pytest.approx(load.busy_ms - spared, abs=2 * load.requests)  # pauses end on whole milliseconds


@pytest.mark.parametrize("wakes", ["break", "zero"])
@pytest.mark.parametrize(
    "document",
    [
        sensor_document("s", "M", 3, 2300),
        sensor_document("s", "M", 3, 0, wake_ms=40, ready_after="0ms"),
        sensor_document("s", "M2", 2, 900, crc=True),
        sensor_document("s", "R0", 2, 0, crc=True),
        shipped("meter-hydros21"),
        shipped("vega-vegapuls-c21-sdi12"),
    ],
    ids=["service-request", "at-once", "crc", "continuous", "hydros21", "vegapuls"],
)
def test_an_sdi12_poll_takes_what_the_plan_says(tmp_path: Path, document: dict[str, Any], wakes: str) -> None:
    made = Made(tmp_path, {"kind": "sdi12", "wakes": wakes}, {"sensor": (document, "1min")})
    (load,) = made.budget.loads

    async def polled() -> tuple[float, SpokenBench]:
        bench = made.bench()
        if document.get("ready_after"):
            bench.sim.units[1].measure_s = 0.0
        took, samples = await bench.poll()
        assert all(value is not None for _, value, _ in samples)
        await bench.close()
        return took, bench

    took, bench = in_virtual_time(polled())
    line = bench.line
    many = load.requests
    if document["measurements"][0]["values"] <= 3:  # more may come in fewer answers than the longest values need
        assert (line.requests, line.bytes_out, line.breaks) == (many, load.bytes_out, many * (wakes == "break"))
    fewer = many - line.requests
    letters = load.bytes_in + load.bytes_out - line.bytes_in - line.bytes_out
    # The simulated sensors begin to answer after 9 ms, and must after 15.
    spared = letters * CHARACTER_MS + line.requests * (15 - 9) + fewer * (15 + waking_ms(wakes, 0))
    assert took <= load.busy_ms
    assert took == pytest.approx(load.busy_ms - spared, abs=many)


def test_a_sensor_is_read_by_the_times_of_its_profile(tmp_path: Path) -> None:
    def load(document: dict[str, Any]) -> Load:
        return Made(tmp_path, {"kind": "sdi12"}, {"sensor": (document, "1min")}).budget.loads[0]

    assert load(sensor_document("s", "M", 2, 2300)).waits_ms == 2300
    assert load(sensor_document("s", "M", 2, 12_000, ready_after="4s")).waits_ms == 4000
    assert load(sensor_document("s", "R1", 2, 2300)).waits_ms == 0
    unsaid = load(sensor_document("s", "M", 2, 0))
    assert (unsaid.waits_ms, unsaid.unknown) == (0, ("measure_ms",))
    slow = sensor_document("s", "M", 2, 0, answer_ms={"typical": 60, "most": 500})
    assert load(slow).answer_ms == 60 * load(slow).requests
    nine = load(sensor_document("s", "M", 6, 1000))
    assert (nine.requests, nine.bytes_out, nine.bytes_in) == (3, 3 + 4 + 4, 7 + 3 + 2 * 3 + 6 * 9)


async def _round(made: Made, together: int) -> tuple[float, SpokenBench]:
    """From the moment at which all are due until the last has given its values."""
    bench = made.bench()
    await bench.run_for(100)
    first = [at for at, _, samples in bench.done if all(value is not None for _, value, _ in samples)][:together]
    assert len(first) == together
    await bench.close()
    return max(first), bench


def test_concurrent_measurements_wait_together_and_others_one_after_the_other(tmp_path: Path) -> None:
    def made(concurrent: bool) -> Made:
        names = {"a": 3000, "b": 7000, "c": 5000}
        documents = {n: sensor_document(f"s{n}", "M", 2, ms, concurrent=concurrent) for n, ms in names.items()}
        return Made(tmp_path, {"kind": "sdi12"}, {name: (each, "5min") for name, each in documents.items()})

    for concurrent, waiting in ((True, 7000), (False, 15_000)):
        site = made(concurrent)
        took, bench = in_virtual_time(_round(site, 3))
        loads = site.budget.loads
        busy = sum(job.busy_ms for job in jobs(loads))
        exchanges = sum(load.wire_ms + load.answer_ms for load in loads)
        assert busy == pytest.approx(exchanges + waiting)
        assert bench.line.requests == sum(load.requests for load in loads)
        letters = sum(load.bytes_in for load in loads) - bench.line.bytes_in
        spared = letters * CHARACTER_MS + bench.line.requests * (15 - 9)
        if concurrent:  # one sensor is asked while another measures
            assert waiting < took < busy - spared
        else:
            assert took == pytest.approx(busy - spared, abs=2 * bench.line.requests)


def test_what_measuring_together_costs_beside_the_waiting_is_counted(tmp_path: Path) -> None:
    def made(*sensors: tuple[int, str]) -> Made:
        documents = [sensor_document(f"s{at}", "M", 2, ms, concurrent=True) for at, (ms, _) in enumerate(sensors)]
        return Made(
            tmp_path,
            {"kind": "sdi12"},
            {f"i{at}": (each, every) for at, (each, (_, every)) in enumerate(zip(documents, sensors, strict=True))},
        )

    stale = made((14_000, "1min"), (1000, "1min"))  # ready for 13 s when its turn comes: begun anew
    took, bench = in_virtual_time(_round(stale, 2))
    assert bench.sim.commands[:5] == ["1C", "2C", "1D0", "2C", "2D0"]
    (turn,) = jobs(stale.budget.loads)
    assert 14_000 + 1000 < took <= turn.busy_ms
    assert stale.budget.loads[1].waits_ms > 1000
    assert not any(load.waits_ms for load in made((4000, "1min"), (1000, "1min")).budget.loads)
    fast, slow = made((4000, "10s"), (1000, "1min")).budget.loads
    begin_ms = (3 + 8) * CHARACTER_MS + waking_ms("break", 0) + 15
    assert (fast.waits_ms, slow.waits_ms) == (pytest.approx(begin_ms), pytest.approx(begin_ms))


def met(bench_done: list[tuple[int, str, Any]], name: str, period_ms: int, until_ms: int) -> None:
    """Every due time brought its value before the next one, as far as whole milliseconds show it."""
    came = [at for at, who, samples in bench_done if who == name and all(v is not None for _, v, _ in samples)]
    for number, due in enumerate(range(0, until_ms - period_ms, period_ms)):
        assert number < len(came), f"{name}: nothing at {due}"
        assert due <= came[number] <= due + period_ms + SLACK_MS, f"{name}: due {due}, came {came[number]}"


def planned(made: Made, seconds: int) -> bool:
    """Whether the plan promises every period; then they are met in virtual time."""
    if made.budget.unmet:
        return False

    async def hour() -> None:
        bench = made.bench()
        await bench.run_for(seconds)
        await bench.close()
        for each in made.site.instruments:
            met(bench.done, each.name, each.period_ms, seconds * 1000)
        assert not any(unit.state.overruns for unit in bench.units)

    in_virtual_time(hour())
    return True


SEARCH = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.tuples(st.sampled_from([5, 20, 80, 300, 900]), st.sampled_from(["200ms", "500ms", "1s", "2s", "5s"]))
SENSORS = st.tuples(
    st.sampled_from(["M", "M", "R0"]),
    st.integers(1, 6),
    st.sampled_from([300, 1500, 3000, 9000, 14_000]),
    st.booleans(),
    st.sampled_from(["1s", "2s", "5s", "10s", "15s", "30s"]),
)


@SEARCH
@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([1200, 9600]))
def test_the_plan_promises_no_period_that_a_text_bus_cannot_meet(given_: list[tuple[int, str]], baud: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = {
            f"i{at}": (text_document(f"t{at}", think, pause_ms=think % 7), every)
            for at, (think, every) in enumerate(given_)
        }
        planned(Made(Path(folder), {"kind": "ascii", "baud": baud}, one), 30)


@SEARCH
@given(st.lists(SENSORS, min_size=1, max_size=5))
def test_the_plan_promises_no_period_that_an_sdi12_bus_cannot_meet(given_: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = {
            f"i{at}": (sensor_document(f"s{at}", command, values, wait, concurrent=concurrent), every)
            for at, (command, values, wait, concurrent, every) in enumerate(given_)
        }
        planned(Made(Path(folder), {"kind": "sdi12"}, one), 95)


def test_the_plan_does_promise_buses_that_have_time(tmp_path: Path) -> None:
    sensors = {
        f"i{at}": (sensor_document(f"s{at}", "M", 2, wait, concurrent=True), "15s")
        for at, wait in enumerate((9000, 8000, 3000))
    }
    assert planned(Made(tmp_path, {"kind": "sdi12"}, sensors), 95)
    assert planned(Made(tmp_path, {"kind": "ascii"}, {"g": (text_document("t", 400), "500ms")}), 30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["100ms", "200ms", "500ms", "1s", "2s"]), min_size=1, max_size=10),
    st.sets(st.integers(0, 9), max_size=9),
)
def test_the_plan_promises_no_period_that_instruments_with_levels_would_hold_up(
    site_of: Callable[..., Site], periods: list[str], with_levels: set[int]
) -> None:
    names = [chr(ord("a") + at) for at in sorted(with_levels) if at < len(periods)]
    levels = "".join(f"  - {{series: distance.{name}, warning: 3.0}}\n" for name in names)
    site = site_of(periods, f"levels:\n{levels}" if names else "")
    if budgets(site)[0].unmet:
        return

    async def seconds() -> VirtualBus:
        bus = VirtualBus(site)
        await bus.run_for(12)
        await bus.stop()
        return bus

    bus = in_virtual_time(seconds())
    for each in site.instruments:
        met(bus.groups, each.name, each.period_ms, 12_000)


def test_what_must_go_first_is_told_where_it_holds_up_a_short_period(site_of: Callable[..., Site]) -> None:
    periods = ["200ms", *["5s"] * 4]
    assert not budgets(site_of(periods))[0].unmet
    levels = "levels:\n" + "".join(f"  - {{series: distance.{name}, warning: 3.0}}\n" for name in "bcde")
    (found,) = budgets(site_of(periods, levels))[0].unmet
    assert (found.instrument, found.always, found.why, found.could_ms) == ("a", False, "held", 500)


def test_a_measurement_longer_than_its_period_is_refused_with_the_time_it_takes(tmp_path: Path) -> None:
    made = Made(tmp_path, {"kind": "sdi12"}, {"sensor": (sensor_document("s", "M", 2, 11_000), "10s")})
    with pytest.raises(
        DocumentError, match=r"every: 10s cannot be met: one poll takes 11\.\d\d s on bus line; 12s could"
    ):
        fitting(made.site)
    together = {f"i{at}": (sensor_document(f"s{at}", "M", 2, 11_000, concurrent=True), "10s") for at in range(2)}
    found = Made(tmp_path, {"kind": "sdi12"}, together).budget.unmet
    assert [(each.instrument, each.why, each.could_ms, each.common) for each in found] == [
        ("i0", "poll", 15_000, True),
        ("i1", "poll", 15_000, True),
    ]


def test_an_instrument_that_speaks_by_itself_is_not_asked_for_more_than_it_says(tmp_path: Path) -> None:
    speaks = text_document("t", 0, messages=[{"name": "m", "lines": ["R{distance:4}"]}], pace="1s")
    made = Made(tmp_path, {"kind": "ascii"}, {"gauge": (speaks, "500ms")})
    (load,) = made.budget.loads
    assert (load.requests, load.bytes_in, load.pace_ms) == (0, 8, 1000)
    assert made.budget.utilisation == pytest.approx(8 * 10 / 9600)
    with pytest.raises(
        DocumentError, match="every: 500ms cannot be met: the instrument speaks by itself only every 1s;"
    ):
        fitting(made.site)
    assert not Made(tmp_path, {"kind": "ascii"}, {"gauge": (speaks, "1s")}).budget.unmet
    quick = {**speaks, "pace": "200ms"}
    slow = Made(tmp_path, {"kind": "ascii", "baud": 300}, {"gauge": (quick, "1s")})
    with pytest.raises(
        DocumentError, match=r"its messages take 266\.7 ms, and it speaks by itself every 200ms; set a higher"
    ):
        fitting(slow.site)


def test_what_may_be_too_long_only_for_want_of_an_example_is_no_more_than_a_warning(tmp_path: Path) -> None:
    speaks = text_document("t", 0, messages=[{"name": "m", "lines": ["R{distance}"]}], pace="1s")
    made = Made(tmp_path, {"kind": "ascii", "baud": 1200}, {"gauge": (speaks, "1s")})
    assert made.budget.loads[0].length == "limit"
    assert [(each.why, each.always) for each in made.budget.unmet] == [("baud", False)]
    assert fitting(made.site).warnings
    said = {**speaks, "messages": [{"name": "m", "lines": ["R{distance}"], "example_bytes": 10}]}
    sure = Made(tmp_path, {"kind": "ascii", "baud": 1200}, {"gauge": (said, "1s")})
    assert (sure.budget.loads[0].length, sure.budget.loads[0].bytes_in, sure.budget.unmet) == ("example", 10, ())


def test_the_examples_of_the_shipped_profiles_are_as_long_as_they_say() -> None:
    seen = 0
    for path in sorted(PROFILES.glob("*.yaml")):
        profile = load_profile(path)
        if not isinstance(profile, TextProfile):
            continue
        longest: dict[str, int] = {}
        for case in (GOLDEN / path.stem).glob("*.yaml"):
            golden = yaml.safe_load(case.read_text())
            framer = Framer(profile.frame, profile.checksum, midway=not profile.is_polled)
            reader = TextReader(profile, int(golden["unit"]))
            for exchange in golden["exchanges"]:
                for frame in framer.feed(raw_bytes(exchange.get("hear", ""))):
                    if (heard := reader.read(frame)) is not None:
                        longest[heard.message] = max(longest.get(heard.message, 0), len(frame))
        for message in profile.messages:
            size, length = message_bytes(profile, message, profile.unit)
            assert length != "limit", f"{path.stem}: write example_bytes: {longest.get(message.name)}"
            assert size == longest[message.name]
            seen += 1
    assert seen >= 10


MIXED = """
station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}
journal: {directory: journal}
buses:
  - {kind: serial, name: rs485-1, port: /dev/ttyA}
  - {kind: ascii, name: mast, port: /dev/ttyB, baud: 19200}
  - {kind: ascii, name: bridge, port: /dev/ttyC}
  - {kind: sdi12, name: well, port: /dev/ttyD}
  - {kind: gnss, name: gps, port: /dev/ttyE}
instruments:
  - {name: radar, profile: geolux-lx-80, bus: rs485-1, unit: 1, every: 5s, series: [{point: distance}]}
  - {name: weather, profile: vaisala-wxt530-ascii, bus: mast, every: 1min, series: [{point: wind_speed}]}
  - {name: sonar, profile: maxbotix-hrxl, bus: bridge, every: 1s, series: [{point: distance, at: bridge}]}
  - {name: ctd, profile: meter-hydros21, bus: well, unit: 1, every: 1min, series: [{point: conductivity}]}
"""


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["the receiver speaks by itself", "measuring", "~56", "- speaks by itself", "every period can be met"]),
        ("zh", ["定位接收机自行输出", "测量时间", "~56", "- 仪器自行输出", "所有采集周期均可满足"]),
    ],
)
def test_every_bus_of_a_site_is_in_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, words: list[str]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(MIXED)
    assert main(["plan", str(path), "--profiles", str(PROFILES), "--lang", language]) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown
    assert main(["plan", str(path), "--profiles", str(PROFILES), "--json"]) == 0
    buses = {bus["bus"]: bus for bus in json.loads(capsys.readouterr().out)["buses"]}
    assert list(buses) == ["rs485-1", "mast", "bridge", "well", "gps"]
    assert [bus["speaks"] for bus in buses.values()] == [False, False, True, False, True]
    (sonar,) = buses["bridge"]["instruments"]
    assert (sonar["requests"], sonar["bytes_in"], sonar["pace_ms"], sonar["length"]) == (0, 6, 167, "known")
    (ctd,) = buses["well"]["instruments"]
    assert ctd["waits_ms"] == 1000


def test_check_says_in_chinese_what_cannot_be_met_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(MIXED.replace("every: 1s", "every: 100ms"))
    assert main(["check", str(path), "--profiles", str(PROFILES), "--lang", "zh"]) == 2
    assert "every：无法满足周期 100ms：仪器自行输出，间隔为 167ms；可改为 200ms" in capsys.readouterr().err
    assert main(["plan", str(path), "--profiles", str(PROFILES), "--lang", "zh"]) == 1
    assert "sonar：无法满足周期 100ms，仪器自行输出，间隔为 167ms；可改为 200ms" in capsys.readouterr().out
