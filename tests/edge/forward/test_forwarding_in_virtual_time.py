"""What the forwarder promises of links that are slow, frozen, flapping, refusing or paid for by the byte."""

import asyncio
import errno
from pathlib import Path

import pytest
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import Credit, LineWanted
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, Dictionary, Event, Readings
from haihe_contract.wire import Batch
from haihe_edge.forward.budget import Budget
from haihe_edge.forward.flow import Grant
from haihe_edge.forward.held import Held
from haihe_edge.forward.port import PublishRefused
from haihe_edge.site import Allowance
from haihe_simulators.disk import SimulatedDisk

from tests.edge.forward.simulated_link import WALL_MS, SimulatedCentre, Station, now_s, virtually

SLOW_BYTES_PER_S, SLOW_ONE_WAY_S = 8000.0, 0.3


class Steps:
    """How often the forwarder looks at its outbox."""

    def __init__(self, station: Station) -> None:
        self.count = 0
        outbox, choose = station.forwarder.outbox, station.forwarder.outbox.choose

        def counted(now_ms: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            self.count += 1
            return choose(now_ms)

        outbox.choose = counted  # type: ignore[method-assign]


def test_an_idle_station_wakes_for_its_heartbeats_and_nothing_else() -> None:
    async def day() -> None:
        centre = SimulatedCentre()
        station = Station(centre, heartbeat_ms=300_000)
        steps = Steps(station)
        station.start()
        await asyncio.sleep(86_400)
        assert station.forwarder.connected
        beats = [batch for _, batch, _ in centre.arrived if not batch.records]
        assert 285 <= len(beats) <= 290
        assert steps.count < 8 * len(beats)
        await station.stop()

    virtually(day)


def test_on_a_slow_link_live_and_alarms_stay_fresh_while_a_backlog_drains() -> None:
    async def drain() -> None:
        centre = SimulatedCentre(bytes_per_s=SLOW_BYTES_PER_S, one_way_s=SLOW_ONE_WAY_S)
        station = Station(centre, backlog=60_000, values=20)
        station.start()
        await station.measure(240, alarm_every=5)
        await asyncio.sleep(5)
        first: dict[int, float] = {}
        for at_s, batch, _ in centre.arrived:
            if batch.line == station.line:
                for record in batch.records:
                    if batch.lane != LANE_BACKLOG:
                        first.setdefault(record.number, at_s - station.committed_s.get(record.number, at_s))
        urgent = [r.number for r in station.recorder.journal.read(station.line, whole(station)) if r.urgent]
        assert max(first[number] for number in urgent) < 2.5
        assert max(took for number, took in first.items() if number > 10) < 4
        # and the link is used
        sent = [(at_s, size) for at_s, batch, size in centre.arrived if batch.lane == LANE_BACKLOG]
        assert sent[-1][0] > 1200
        used = sum(size for at_s, size in sent if at_s > 1020) / (sent[-1][0] - 1020)
        assert used > 0.6 * SLOW_BYTES_PER_S
        assert station.forwarder.outbox.flying_bytes() < 2.5 * SLOW_BYTES_PER_S
        assert max(centre.times.values()) <= max(centre.times[station.line, 2], centre.times[station.backlog_line, 2])
        await station.stop()

    virtually(drain)


def whole(station: Station) -> RangeSet:
    return RangeSet.of((1, station.recorder.journal.head))


def test_a_link_that_freezes_is_noticed_dialled_again_and_leaks_nothing() -> None:
    async def freeze() -> None:
        centre = SimulatedCentre()
        station = Station(centre, backlog=2000)
        station.start()
        measuring = asyncio.ensure_future(station.measure(400))
        await asyncio.sleep(60)
        centre.frozen = True
        frozen_s = now_s()
        await asyncio.sleep(25)
        assert not station.forwarder.connected
        assert centre.dials[-1] - frozen_s < 22  # 15 s of silence, then at once
        assert not station.forwarder._answers
        await asyncio.sleep(60)
        centre.frozen = False
        await measuring
        await station.until_settled()
        assert centre.held[station.line].covers(whole(station))
        await station.stop()

    virtually(freeze)


def test_the_reason_says_that_the_link_froze() -> None:
    async def freeze() -> None:
        centre = SimulatedCentre()
        station = Station(centre)
        said: list[str] = []
        changed = station.forwarder._changed
        station.forwarder._changed = (  # type: ignore[method-assign]
            lambda *, connected, down: (said.append(down), changed(connected=connected, down=down))[1]
        )
        station.start()
        measuring = asyncio.ensure_future(station.measure(40))
        await asyncio.sleep(10)
        centre.frozen = True
        await measuring
        assert any("frozen: nothing heard for" in each for each in said)
        await station.stop()

    virtually(freeze)


def test_a_merely_slow_link_is_never_given_up() -> None:
    async def slow() -> None:
        centre = SimulatedCentre(bytes_per_s=600, one_way_s=4.0)
        station = Station(centre, backlog=3000)
        station.start()
        await station.measure(600)
        assert len(centre.dials) == 1
        await station.stop()

    virtually(slow)


def test_a_centre_that_is_away_behind_a_living_broker_keeps_the_connection_and_repeats_less_and_less() -> None:
    async def away() -> None:
        centre = SimulatedCentre()
        station = Station(centre, backlog=100)
        centre.answers = False
        station.start()
        await asyncio.sleep(3600)
        assert len(centre.dials) == 1
        assert "overdue" in station.forwarder.trouble
        assert max(centre.times.values()) <= 80  # once a minute at most
        centre.answers = True
        centre.say()
        await station.until_settled(60)
        assert not station.forwarder.trouble
        await station.stop()

    virtually(away)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_never_more_publishes_are_unanswered_than_the_broker_grants(most: int) -> None:
    async def few() -> None:
        centre = SimulatedCentre(grant=Grant(unanswered_max=most), one_way_s=0.5)
        station = Station(centre, backlog=2000)
        station.start()
        await station.measure(60, alarm_every=5)
        await station.until_settled()
        assert centre.unanswered_most <= most
        assert centre.held[station.line].covers(whole(station))
        await station.stop()

    virtually(few)


def test_no_batch_is_larger_than_the_broker_takes_and_a_record_that_is_too_large_alone_is_said() -> None:
    async def small() -> None:
        centre = SimulatedCentre(grant=Grant(payload_bytes_max=900))
        station = Station(centre, backlog=3000)
        detail = {f"fact{n}": station.chance.random() for n in range(120)}
        station.record(Event(1, 5, "long", detail=detail))
        long = max(station.committed_s)
        station.start()
        await station.measure(30)
        await asyncio.sleep(30)
        assert max(size for _, _, size in centre.arrived) <= 900
        assert centre.held[station.backlog_line].covers(RangeSet.of((1, station.backlog_last)))
        assert whole(station) - centre.held[station.line] == RangeSet.of((long, long))
        assert station.forwarder.outbox.passed_over == 1
        assert "1 records are not sent" in station.forwarder.trouble
        assert station.forwarder.outbox.unsettled() == 1
        await station.stop()

    virtually(small)


def test_a_record_that_the_broker_refuses_again_and_again_is_set_aside_and_the_rest_flows() -> None:
    async def poison() -> None:
        centre = SimulatedCentre()
        station = Station(centre, backlog=1000)
        bad = (station.backlog_line, 500)
        tries = 0

        def refuses(batch: Batch) -> PublishRefused | None:
            nonlocal tries
            if batch.line == bad[0] and any(record.number == bad[1] for record in batch.records):
                tries += 1
                return PublishRefused("Payload format invalid", by_content=True)
            return None

        centre.refuses = refuses
        station.start()
        await station.measure(120)
        assert RangeSet.of((1, station.backlog_last)) - centre.held[bad[0]] == RangeSet.of((500, 500))
        assert tries < 20
        assert station.forwarder.outbox.unsettled() >= 1
        assert "1 records are not sent" in station.forwarder.trouble
        # the next connection tries it again
        centre.refuses = lambda _batch: None
        centre.cut()
        await station.until_settled()
        await station.stop()

    virtually(poison)


def test_a_lane_that_is_refused_backs_off_and_the_others_flow() -> None:
    async def quota() -> None:
        centre = SimulatedCentre()
        station = Station(centre, backlog=1000)
        refused: list[float] = []

        def refuses(batch: Batch) -> PublishRefused | None:
            if batch.lane != LANE_BACKLOG or len(refused) > 100:
                return None
            refused.append(now_s())
            return PublishRefused("Quota exceeded")

        centre.refuses = refuses
        station.start()
        await station.measure(600, alarm_every=60)
        assert len(refused) <= 20  # what was under way, then after 1, 2, 4 … 60 s
        assert "Quota exceeded" in station.forwarder.trouble
        assert station.forwarder.outbox.passed_over == 0
        live = [batch for _, batch, _ in centre.arrived if batch.lane == LANE_LIVE and batch.records]
        assert len(live) > 500
        await station.stop()

    virtually(quota)


def test_an_hour_of_a_flapping_link_loses_nothing_and_repeats_little() -> None:
    async def flap() -> None:
        centre = SimulatedCentre(bytes_per_s=50_000, one_way_s=0.1)
        station = Station(centre, backlog=5000)

        async def trouble() -> None:
            while True:
                await asyncio.sleep(station.chance.uniform(0.5, 60))
                centre.cut()
                centre.up = station.chance.random() < 0.7
                await asyncio.sleep(station.chance.uniform(0, 20))
                centre.up = True

        station.start()
        flapping = asyncio.ensure_future(trouble())
        await station.measure(3600, alarm_every=30)
        flapping.cancel()
        await station.until_settled()
        assert centre.held[station.line].covers(whole(station))
        assert centre.held[station.backlog_line].covers(RangeSet.of((1, station.backlog_last)))
        data = {key: times for key, times in centre.times.items() if key[1] != 2}
        repeats = sum(times - 1 for times in data.values())
        assert repeats < 0.2 * len(data)
        assert 60 < len(centre.dials) < 600
        await station.stop()

    virtually(flap)


def test_after_kill_9_nothing_is_sent_again_that_a_receipt_covers(tmp_path: Path) -> None:
    async def killed() -> None:
        centre, disk = SimulatedCentre(), SimulatedDisk()
        station = Station(centre, backlog=3000, disk=disk, held=Held(tmp_path / "receipts"))
        station.start()
        await station.measure(30)
        station.forwarder.held.save()  # what is kept every 10 s
        await station.measure(8)
        await station.until_settled()
        await station.stop()
        before = dict(centre.times)
        disk.leave()  # the process is gone, and with it what it had in memory
        again = Station(centre, disk=disk, held=Held(tmp_path / "receipts"), seed=2)
        again.start()
        await again.measure(30)
        await again.until_settled()
        repeated = {key: n for key, n in centre.times.items() if key[0] != again.line and n > before[key]}
        assert not repeated
        await again.stop()

    virtually(killed)


def test_the_centres_credit_caps_backlog_and_ends_by_itself() -> None:
    async def capped() -> None:
        centre = SimulatedCentre(one_way_s=0.2)
        centre.credit = Credit(0, 60)
        centre.held = {1: RangeSet.of((1, 1))}
        station = Station(centre, backlog=3000)
        station.start()
        await asyncio.sleep(10)
        centre.answers = False
        centre.say()
        await asyncio.sleep(50)
        assert not [batch for _, batch, _ in centre.arrived if batch.lane == LANE_BACKLOG]
        centre.answers, centre.credit = True, None
        await asyncio.sleep(11)
        assert [batch for _, batch, _ in centre.arrived if batch.lane == LANE_BACKLOG]
        await station.until_settled()
        await station.stop()

    virtually(capped)


def test_what_the_centre_asks_for_is_sent_again_whatever_older_receipts_say() -> None:
    async def asked() -> None:
        centre = SimulatedCentre()
        station = Station(centre, backlog=500)
        station.start()
        await station.until_settled()
        lost = RangeSet.of((100, 120))
        old = centre.held[station.backlog_line]
        centre.held[station.backlog_line] = old - lost
        centre.wanted = [LineWanted(station.backlog_line, list(lost.ranges))]
        centre.say()
        await asyncio.sleep(0.001)
        centre.wanted = []
        await asyncio.sleep(1)
        await station.until_settled(30)
        assert centre.held[station.backlog_line] == old
        assert all(centre.times[station.backlog_line, number] == 2 for number in lost.numbers())
        assert centre.times[station.backlog_line, 99] == 1
        await station.stop()

    virtually(asked)


def test_a_metered_link_stays_within_its_budget_and_alarms_always_go() -> None:
    async def metered() -> None:
        centre = SimulatedCentre()
        budget = Budget(Allowance(1_000_000, monthly=False))
        station = Station(centre, backlog=10_000, values=20, budget=budget, heartbeat_ms=300_000)
        station.start()
        await station.measure(3_600, alarm_every=300)
        # most of the budget was for live by now: backlog waits, live thins, alarms are all there
        alarms = [r for _, batch, _ in centre.arrived for r in batch.records if batch.lane == LANE_ALARM]
        assert len([r for r in alarms if isinstance(r.body, Event)]) == 3_600 // 300
        assert budget.spent.bytes < 1_200_000
        assert not budget.pace(station.clock.now_ms()).backlog
        assert station.forwarder.outbox.unsettled() > 0
        # and the next day everything goes on
        await asyncio.sleep(86_400)
        assert budget.spent.bytes < 1_200_000
        await station.stop()

    virtually(metered)


def test_while_the_disk_refuses_the_newest_values_go_by_a_volatile_line_and_later_all_by_the_journals() -> None:
    async def refusing() -> None:
        refuses = False

        def before(what: str, name: str) -> None:
            if refuses and what in {"write", "sync", "create"}:
                raise OSError(errno.EIO, "Input/output error", name)

        disk = SimulatedDisk(before=before)
        centre = SimulatedCentre()
        station = Station(centre, disk=disk)
        station.start()
        await station.measure(20)
        await asyncio.sleep(3)
        head = station.recorder.journal.head
        refuses = True
        await station.measure(60, alarm_every=20)
        await asyncio.sleep(4)
        assert station.recorder.journal.trouble
        assert centre.held[station.line].last == head
        assert 10 <= len(centre.volatile) <= 22  # every 3 s
        lines = {batch.line for batch in centre.volatile}
        assert len(lines) == 1
        assert station.line not in lines
        numbers = [record.number for batch in centre.volatile for record in batch.records]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(isinstance(batch.records[0].body, Dictionary) for batch in centre.volatile)
        events = [r for batch in centre.volatile for r in batch.records if isinstance(r.body, Event)]
        assert len(events) == 3
        assert station.forwarder.held.of(next(iter(lines))) == EMPTY
        refuses = False
        await station.measure(10)
        await station.until_settled()
        assert centre.held[station.line].covers(whole(station))
        shown = {r.body.time_ms for b in centre.volatile for r in b.records if isinstance(r.body, Readings)}
        kept = {r.body.time_ms for _, b, _ in centre.arrived for r in b.records if isinstance(r.body, Readings)}
        assert shown <= kept
        count = len(centre.volatile)
        await station.measure(20)
        assert len(centre.volatile) == count
        await station.stop()

    virtually(refusing)


@pytest.mark.parametrize("urgent", [False, True])
def test_a_file_that_cannot_be_read_holds_up_neither_the_other_files_nor_alarms(urgent: bool) -> None:
    async def one_bad_sector() -> None:
        disk, centre = SimulatedDisk(), SimulatedCentre()
        centre.up = False
        station = Station(centre, backlog=40_000, disk=disk)
        bad = next(name for name in disk.names() if name.endswith(".journal"))
        if urgent:  # in the file of this line that is closed next
            bad = disk.names()[-2]
            station.start()
            station.record(Event(WALL_MS, 5, "level_raised", 0, 12.0), urgent=True)
            for n in range(20_000):
                station.record(station.reading(n))
                if n % 100 == 0:
                    await asyncio.sleep(1)

        def before(what: str, name: str) -> None:
            if (what, name) == ("open", bad):
                raise OSError(errno.EIO, "Input/output error", name)

        disk.before = before
        if not urgent:
            station.start()
        centre.up = True
        await asyncio.sleep(60)
        alarm = station.recorder.journal.appended + 1
        station.record(Event(WALL_MS, 5, "level_raised", 0, 13.0), urgent=True)
        await asyncio.sleep(3)
        assert alarm in centre.held[station.line]
        await asyncio.sleep(120)
        journal, sick = station.recorder.journal, station.line if urgent else station.backlog_line
        for extent in journal.extents():
            left = extent.numbers - centre.held[extent.line]
            if extent.line == sick:
                assert left
                left -= journal.together(sick, RangeSet.of((1, 1)))
            assert not left
        assert "cannot be read: Input/output error" in station.forwarder.trouble
        disk.before = lambda _what, _name: None
        await station.until_settled(700)
        assert not station.forwarder.trouble
        await station.stop()

    virtually(one_bad_sector)


@pytest.mark.parametrize("sick", ["take", "open"])
def test_what_a_receipt_covers_is_not_sent_again_after_a_start_that_could_not_see_it(tmp_path: Path, sick: str) -> None:
    async def blind_once() -> None:
        disk, centre, kept = SimulatedDisk(), SimulatedCentre(), tmp_path / "receipts"
        station = Station(centre, backlog=100, disk=disk, held=Held(kept))
        old = station.backlog_line

        async def settle() -> None:
            station.start()
            await asyncio.sleep(30)
            await station.stop()
            station.recorder.journal.close()
            station.recorder.save_now()

        await settle()
        assert old in Held(kept).lines

        def before(what: str, name: str) -> None:
            if what == sick and (not name or f"{old:016x}" in name):
                raise OSError(errno.EIO, "Input/output error", name)

        disk.before = before
        centre.held = {}  # the broker has lost its retained receipt
        station = Station(centre, disk=disk, held=Held(kept), seed=2)
        await settle()
        disk.before = lambda _what, _name: None
        station = Station(centre, disk=disk, held=Held(kept), seed=3)
        await settle()
        assert max(count for (line, _), count in centre.times.items() if line == old) == 1

    virtually(blind_once)
