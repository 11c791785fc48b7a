"""The acquirer on real lines: every due time brings values, or the reason why not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from haihe_contract.errors import FieldError
from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire import Acquirer
from haihe_edge.site import load_site

from tests.edge.acquire.far_end import Answering, PtyInstrument, framed, nmea, registers_answer
from tests.edge.heard import Heard, has_values, misses_for, running
from tests.edge.patient_loop import LoopClock

OnTcp = Callable[..., Awaitable[int]]
OnPty = Callable[[Answering], PtyInstrument]
SiteFile = Callable[[str], Path]


def right(request: bytes) -> list[tuple[float, bytes]]:
    count = request[5]
    return [(0.002, registers_answer(request, *(1000 * request[0] + request[3] + at for at in range(count))))]


@asynccontextmanager
async def measuring(path: Path, grade: Grade = Grade.NTP) -> AsyncIterator[tuple[Acquirer, Heard]]:
    heard = Heard()
    site = load_site(path, [path.parent / "profiles"])
    acquirer = Acquirer(site, LoopClock(), lambda: grade, heard, on_happening=heard.happenings.append)
    async with running(acquirer):
        yield acquirer, heard


def one(port: str, profile: str = "quick", every: str = "200ms") -> str:
    return f"""
buses: [{{kind: serial, name: line, port: {port}}}]
instruments: [{{name: gauge, profile: {profile}, bus: line, unit: 1, every: {every}}}]
"""


async def test_every_period_brings_values_stamped_on_arrival(on_pty: OnPty, site_file: SiteFile) -> None:
    before = LoopClock().now_ms()
    async with measuring(site_file(one(on_pty(right).port))) as (_, heard):
        for _ in range(3):
            await heard.until(has_values)
    assert [number for number, _, _ in heard.groups[0].samples] == [0, 1]
    assert heard.groups[0].samples == [(0, 1.0, Reason.NONE), (1, 100.1, Reason.NONE)]
    assert before <= heard.groups[0].time_ms <= LoopClock().now_ms()
    steps = [b.time_ms - a.time_ms for a, b in zip(heard.groups, heard.groups[1:], strict=False)]
    assert all(100 <= step <= 300 for step in steps)


async def test_without_a_trusted_clock_the_time_is_of_this_boot(on_pty: OnPty, site_file: SiteFile) -> None:
    async with measuring(site_file(one(on_pty(right).port)), Grade.NONE) as (_, heard):
        group = await heard.until(has_values)
    assert group.time_ms == group.monotonic_ms
    assert group.grade is Grade.NONE


async def test_a_dead_instrument_is_left_alone_and_the_others_keep_their_period(
    on_pty: OnPty, site_file: SiteFile
) -> None:
    instrument = on_pty(lambda request: right(request) if request[0] == 2 else [])
    path = site_file(f"""
buses: [{{kind: serial, name: line, port: {instrument.port}}}]
instruments:
  - {{name: dead, profile: slow, bus: line, unit: 1, every: 500ms}}
  - {{name: good, profile: quick, bus: line, unit: 2, every: 500ms, series: [{{point: distance, at: second}}]}}
""")
    async with measuring(path) as (acquirer, heard):
        await heard.until(lambda group: group.instrument == "dead" and misses_for(Reason.TIMEOUT)(group))
        await heard.until(lambda group: group.instrument == "dead" and misses_for(Reason.SKIPPED)(group))
        for _ in range(4):
            await heard.until(lambda group: group.instrument == "dead")
        state = {each.name: each for each in acquirer.state()[0].instruments}
    asked_dead = [request for request in instrument.requests if request[0] == 1]
    assert len(asked_dead) <= 5
    assert state["dead"].failures >= 3
    assert state["dead"].skipped >= 1
    assert state["dead"].next_probe_ms is not None
    assert state["dead"].error == ("no answer", {})
    assert heard.kinds() == ["instrument_silent"]
    assert heard.happenings[0].detail == {"instrument": "dead", "why": "no answer"}
    assert state["good"].failures == 0
    good = [group for group in heard.groups if group.instrument == "good"]
    assert all(has_values(group) for group in good)
    assert len(good) >= len([group for group in heard.groups if group.instrument == "dead"]) - 1
    assert state["good"].overruns == 0


async def test_a_late_answer_is_never_taken_for_the_next_request(on_pty: OnPty, site_file: SiteFile) -> None:
    """The instrument counts its answers and now and then thinks for longer than the profile allows."""
    said: dict[int, bytes] = {}
    asked = 0
    busy = asyncio.Lock()
    instrument: PtyInstrument

    async def think(request: bytes, number: int) -> None:
        async with busy:  # one request after the other, as instruments do
            await asyncio.sleep(0.3 if number % 5 == 2 else 0.002)
            instrument.say(registers_answer(request, *([number] * request[5])))

    tasks = []

    def answering(request: bytes) -> list[tuple[float, bytes]]:
        nonlocal asked
        asked += 1
        said[asked] = request
        tasks.append(asyncio.ensure_future(think(request, asked)))
        return []

    instrument = on_pty(answering)
    heard_after: list[tuple[int, int]] = []
    async with measuring(site_file(one(instrument.port, every="100ms"))) as (_, heard):
        for _ in range(6):
            group = await heard.until(has_values)
            value = group.samples[0][1]
            assert value is not None
            heard_after.append((round(value * 1000), asked))
    # The value that was taken is the answer to the very last request that had been sent by then.
    assert [number for number, _ in heard_after] == [sent for _, sent in heard_after]


async def test_due_times_that_a_busy_bus_misses_are_written_down(on_pty: OnPty, site_file: SiteFile) -> None:
    instrument = on_pty(lambda request: [(0.25, registers_answer(request, 1, 2))])
    async with measuring(site_file(one(instrument.port, "slow", "100ms"))) as (acquirer, heard):
        for _ in range(3):
            await heard.until(has_values)
        await heard.until(misses_for(Reason.SKIPPED))
        assert acquirer.state()[0].instruments[0].overruns >= 3
    span = heard.groups[-1].monotonic_ms - heard.groups[0].monotonic_ms
    assert len(heard.groups) >= span // 100 - 1


async def test_a_server_that_hangs_up_each_time_is_one_outage(on_tcp: OnTcp, site_file: SiteFile) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    path = site_file(f"""
buses: [{{kind: tcp, name: net, host: 127.0.0.1, port: {await on_tcp(serve)}}}]
instruments: [{{name: gauge, profile: quick, bus: net, unit: 1, every: 100ms}}]
""")
    async with measuring(path) as (_, heard):
        for _ in range(12):
            await heard.until(misses_for(Reason.BUS_DOWN))
        assert heard.kinds() == ["bus_down"]


async def test_a_port_that_is_not_there_is_a_reason_at_every_due_time(site_file: SiteFile) -> None:
    async with measuring(site_file(one("/dev/no-such-port", every="100ms"))) as (acquirer, heard):
        for _ in range(4):
            await heard.until(misses_for(Reason.BUS_DOWN))
        assert acquirer.state()[0].error == (
            "port {port}: {why}", {"port": "/dev/no-such-port", "why": "No such file or directory"},
        )  # fmt: skip


async def test_a_vanished_port_comes_back_by_itself(on_pty: OnPty, site_file: SiteFile) -> None:
    instrument = on_pty(right)
    async with measuring(site_file(one(instrument.port))) as (acquirer, heard):
        await heard.until(has_values)
        instrument.unplug()
        await heard.until(misses_for(Reason.BUS_DOWN))
        assert not acquirer.state()[0].is_open
        assert acquirer.state()[0].error is not None
        assert acquirer.state()[0].instruments[0].failures == 0
        instrument.plug()
        await heard.until(has_values)
        await asyncio.wait_for(acquirer.read_now("gauge"), 2)
        assert acquirer.state()[0].error is None
        assert heard.kinds() == ["bus_down", "bus_up"]


async def test_a_refusal_concerns_its_own_block_only(on_pty: OnPty, site_file: SiteFile, tmp_path: Path) -> None:
    path = site_file(one(on_pty(lambda request: refused(request) if request[3] == 8 else right(request)).port, "two"))
    text = (tmp_path / "profiles" / "quick.yaml").read_text().replace("profile: quick", "profile: two")
    text = text.replace("points:", "  - {table: holding, start: 8, count: 1}\npoints:")
    text += "  - {name: ph, at: 8, as: u16, element: ph}\n"
    (tmp_path / "profiles" / "two.yaml").write_text(text)
    async with measuring(path) as (acquirer, heard):
        group = await heard.until(lambda group: True)
        assert acquirer.state()[0].instruments[0].failures == 0
    assert [why for _, _, why in group.samples] == [Reason.NONE, Reason.NONE, Reason.EXCEPTION]


def refused(request: bytes) -> list[tuple[float, bytes]]:
    return [(0, framed(bytes([request[0], request[1] | 0x80, 2])))]


async def test_somebody_can_read_an_instrument_at_once(on_pty: OnPty, site_file: SiteFile) -> None:
    instrument = on_pty(right)
    async with measuring(site_file(one(instrument.port, every="1h"))) as (acquirer, heard):
        group = await asyncio.wait_for(acquirer.read_now("gauge"), 2)
        assert has_values(group)
        assert heard.groups[-1] == group
        with pytest.raises(FieldError, match="no instrument 'gouge'"):
            await acquirer.read_now("gouge")


async def test_a_reading_that_somebody_waits_for_ends_with_the_agent(on_pty: OnPty, site_file: SiteFile) -> None:
    instrument = on_pty(lambda request: [])
    async with measuring(site_file(one(instrument.port, "slow", "1h"))) as (acquirer, _):
        waiting = asyncio.ensure_future(acquirer.read_now("gauge"))
        await asyncio.sleep(0.05)
    with pytest.raises(FieldError, match="stopped"):
        await waiting


async def test_a_receiver_gives_position_time_and_antenna(on_pty: OnPty, site_file: SiteFile) -> None:
    receiver = on_pty(lambda request: [])
    path = site_file(f"buses: [{{kind: gnss, name: beidou, port: {receiver.port}, every: 1s}}]")
    times: list[tuple[int, int]] = []
    kinds: list[str] = []
    heard = Heard()
    acquirer = Acquirer(
        load_site(path), LoopClock(), lambda: Grade.NTP, heard,
        lambda utc_ms, monotonic_ms: times.append((utc_ms, monotonic_ms)), lambda each: kinds.append(each.kind),
    )  # fmt: skip
    async with running(acquirer):
        await heard.until(misses_for(Reason.TIMEOUT))
        asked = asyncio.ensure_future(acquirer.read_now("beidou"))
        receiver.say(
            b"\xff\x00$GN" + nmea("GNGGA,081500.000,3908.748,N,11711.382,E,1,14,0.7,5.0,M,,M,,")
            + nmea("GNRMC,081500.000,A,3908.748,N,11711.382,E,0.00,0.0,010826,,,A,V")
            + nmea("GNTXT,01,01,01,ANTENNA OPEN")
        )  # fmt: skip
        assert has_values(await asked)
        group = await heard.until(has_values)
        assert [value for _, value, _ in group.samples] == [39.1458, 117.1897, 14.0]
        assert [why for _, _, why in group.samples] == [Reason.NONE] * 3
        assert [utc for utc, _ in times] == [1785572100000]
        assert kinds == ["antenna_open"]
        receiver.say(
            nmea("GNGGA,081501.000,3918.748,N,11711.382,E,1,14,0.7,5.0,M,,M,,")
            + nmea("GNRMC,081501.000,A,3918.748,N,11711.382,E,0.00,0.0,010826,,,A,V")
        )
        moved = await heard.until(lambda group: Reason.MOVED in group.samples[0][2])
        assert moved.samples[0][1] is not None
        assert kinds == ["antenna_open", "station_moved"]
        state = acquirer.state()[0]
        assert state.detail["antenna"] == "open"
        receiver.unplug()
        await heard.until(misses_for(Reason.BUS_DOWN))
        assert kinds[-1] == "bus_down"
