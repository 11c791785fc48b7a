"""What happens in the demo, when, and what is measured of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from haihe_contract.clock import Clock

from .ensemble import Ensemble, Part
from .scenery import LEVEL, STORM
from .voice import Voice, bar

KILLABLE = ("edge", "centre", "broker")
DOWN_S = 3.0
"""A killed process is started again after this, as its supervisor would."""
CUT_SHARE, CREST_SHARE = 0.2, 0.6
"""When, as shares of the story, the link is cut and the flood crest passes the first station."""
AFTER_S = 40.0
"""So long the story waits beyond its end for a backlog that is still draining."""
_LOOK_S = 0.2
_WATCH_S = 0.7
_ANSWER_AFTER_S = 3.0


class Plan(msgspec.Struct, frozen=True):
    """What to play.

    Args:
        seconds: length of the story.
        outage_s: how long the first station's link is cut, 0 for not at all.
        kill: which processes are killed in the middle of the cut.
        stay: go on until stopped.
    """

    seconds: float = 120.0
    outage_s: float = 30.0
    kill: tuple[str, ...] = ()
    stay: bool = False


class Measured(msgspec.Struct):
    """What was measured of the story; None where it did not come to it.

    Args:
        outage_s: from the cut to the return of the link.
        live_after_reconnect_s: from the return until the store holds a value measured after it.
        backlog_drain_s: from the return until the centre misses nothing of the station.
        backlog_records: most records that waited in the station.
        alarms_raised: by the centre, of every kind.
        alarms_answered: of these.
        kills: what was killed.
    """

    outage_s: float = 0.0
    live_after_reconnect_s: float | None = None
    backlog_drain_s: float | None = None
    backlog_records: int = 0
    alarms_raised: int = 0
    alarms_answered: int = 0
    kills: list[str] = []


class Story:
    """Plays a plan with an ensemble and says what happens."""

    def __init__(self, plan: Plan, ensemble: Ensemble, voice: Voice, clock: Clock) -> None:
        self.plan = plan
        self.measured = Measured()
        self._ensemble = ensemble
        self._voice = voice
        self._clock = clock
        self._begin_ms = clock.monotonic_ms()
        self._waiting = 0
        self._cut = False
        self._alarms: dict[int, str] = {}

    def at_s(self) -> float:
        """Seconds of the story."""
        return (self._clock.monotonic_ms() - self._begin_ms) / 1000

    def say(self, sentence: str, **facts: object) -> None:
        """A sentence at this moment."""
        self._voice.say(self.at_s(), sentence, **facts)

    def _name(self, part: Part) -> str:
        return part.actor.name_zh if self._voice.words.language == "zh" else part.actor.name_en

    async def play(self) -> None:
        """From the first drop to the last drained record.

        Raises:
            FieldError: when a process ended that nobody killed.
        """
        ensemble = self._ensemble
        self._begin_ms = self._clock.monotonic_ms()
        crest_s, _ = ensemble.river.crest(0)
        factor = (crest_s - STORM.begin_s) / (CREST_SHARE * self.plan.seconds)
        ensemble.time.pace(factor)
        self.say(
            "a storm arrives: {mm} mm of rain in {hours} hours; one second here is {factor} seconds of the river",
            mm=f"{STORM.total_mm:.0f}", hours=STORM.duration_s // 3600, factor=round(factor),
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            if self.plan.outage_s > 0:
                await self._outage(tasks)
            while self.at_s() < self.plan.seconds or self.plan.stay:
                await self._clock.sleep(_LOOK_S)
            watching.cancel()
        self._voice.done()

    async def _outage(self, tasks: asyncio.TaskGroup) -> None:
        part = self._ensemble.parts[0]
        await self._clock.sleep(CUT_SHARE * self.plan.seconds)
        self.say(
            "the link of {station} is cut, for {seconds} s", station=self._name(part), seconds=round(self.plan.outage_s)
        )
        begin = self.at_s()
        self._cut = True
        await part.link.cut()
        restarts = []
        for kind, wait_s in zip(self.plan.kill, _spread(self.plan.outage_s, len(self.plan.kill)), strict=True):
            await self._clock.sleep(max(0.0, begin + wait_s - self.at_s()))
            restarts.append(tasks.create_task(await self._kill(kind, part)))
        await self._clock.sleep(max(0.0, begin + self.plan.outage_s / 2 - self.at_s()))
        self.say(
            "{station} keeps measuring; {n} records wait in its journal", station=self._name(part), n=self._waiting
        )
        await self._clock.sleep(max(0.0, begin + self.plan.outage_s - self.at_s()))
        for restart in restarts:
            await restart
        await part.link.mend()
        self._cut = False
        self.measured.outage_s = round(self.at_s() - begin, 2)
        self.say("the link of {station} is back", station=self._name(part))
        await self._recovery(part)

    async def _recovery(self, part: Part) -> None:
        view, code = self._ensemble.view, part.actor.code
        begin, begin_ms = self.at_s(), self._clock.now_ms()
        limit = max(self.plan.seconds, begin) + AFTER_S
        while self.at_s() < limit and await view.newest_ms(code, LEVEL) <= begin_ms:
            await self._clock.sleep(_LOOK_S)
        if self.at_s() >= limit:
            return
        self.measured.live_after_reconnect_s = round(self.at_s() - begin, 2)
        self.say(
            "live values of {station} are at the centre after {seconds} s",
            station=self._name(part), seconds=self.measured.live_after_reconnect_s,
        )  # fmt: skip
        while self.at_s() < limit:
            answer = await view.get(f"/api/v1/stations/{code}")
            if answer is not None:
                summary = answer["station"]
                if (summary["last_heard_ms"] or 0) > begin_ms and not summary["waiting"]:
                    break
            await self._clock.sleep(_LOOK_S)
        else:
            return
        self.measured.backlog_drain_s = round(self.at_s() - begin, 2)
        self.say(
            "the backlog of {station} has drained after {seconds} s",
            station=self._name(part), seconds=self.measured.backlog_drain_s,
        )  # fmt: skip

    async def _kill(self, kind: str, part: Part) -> Coroutine[Any, Any, None]:
        """Kill one process; the work that starts it again."""
        ensemble = self._ensemble
        self.measured.kills.append(kind)
        if kind == "edge":
            self.say("power cut: the agent of {station} is killed (kill -9)", station=self._name(part))
            child = part.agent
            name = self._voice.words("the agent of {station}", station=self._name(part))
            await ensemble.kill_agent(part)
        elif kind == "centre":
            self.say("crash: the centre is killed (kill -9)")
            child, name = ensemble.centre, self._voice.words("the centre")
            await child.kill()
        else:
            self.say("crash: the broker is killed (kill -9)")
            child, name = ensemble.broker, self._voice.words("the broker")
            await child.kill()

        async def again() -> None:
            await self._clock.sleep(DOWN_S)
            await child.start()
            self.say("{name} is started again", name=name)

        return again()

    async def _watch(self) -> None:
        """Look at everything that may happen by itself, until cancelled."""
        while True:
            self._ensemble.check()
            waiting = await self._ensemble.records_waiting(self._ensemble.parts[0])
            if waiting is not None:
                self._waiting = waiting
                self.measured.backlog_records = max(self.measured.backlog_records, waiting)
            await self._look_at_alarms()
            self._voice.show(self._line())
            await self._clock.sleep(_WATCH_S)

    def _line(self) -> str:
        words = self._voice.words
        stages = " ".join(f"{part.instruments.water().stage_m:.2f}" for part in self._ensemble.parts[:6])
        return (
            f"{bar(self.at_s() / self.plan.seconds)} {self.at_s():4.0f} s  {words('stage')} {stages} m  "
            f"{words('waiting')} {self._waiting}" + (f"  {words('link cut')}" if self._cut else "")
        )

    async def _look_at_alarms(self) -> None:
        answer = await self._ensemble.view.get("/api/v1/alarms")
        if answer is None:
            return
        names = {part.actor.code: self._name(part) for part in self._ensemble.parts}
        for alarm in answer["alarms"]:
            station = names.get(alarm["station"], alarm["station"])
            if alarm["id"] not in self._alarms:
                self._alarms[alarm["id"]] = alarm["level"]
                self.measured.alarms_raised = len(self._alarms)
                if alarm["level"] == "silent":
                    self.say("ALARM {station} is silent", station=station)
                else:
                    self.say(
                        "ALARM {level} at {station}: {value} m (level {threshold} m)",
                        level=self._voice.words(f"{alarm['level']} level"), station=station,
                        value=f"{alarm['peak']:.2f}" if alarm["peak"] is not None else "—",
                        threshold=f"{alarm['threshold']:.2f}",
                    )  # fmt: skip
            elif self._to_be_answered(alarm):
                who, note = (
                    self._voice.words("duty officer (demo)"),
                    self._voice.words("crew called, gates being watched"),
                )
                path = f"/api/v1/alarms/{alarm['id']}/answer"
                if await self._ensemble.view.post(path, {"who": who, "note": note}) is not None:
                    self.measured.alarms_answered += 1
                    self.say("the alarm at {station} is answered by {who}", station=station, who=who)

    def _to_be_answered(self, alarm: dict[str, Any]) -> bool:
        """The demo's officer takes the first flood alarm in hand, after some seconds, as people do."""
        waited_ms = self._clock.now_ms() - alarm["raised_ms"]
        return (
            not self.measured.alarms_answered
            and alarm["level"] != "silent"
            and not alarm["answered_by"]
            and waited_ms >= _ANSWER_AFTER_S * 1000
        )


def _spread(outage_s: float, kills: int) -> list[float]:
    """Moments around the middle of the outage, a second apart where there is room for it."""
    step = min(1.0, outage_s / 4 / max(1, kills))
    return [outage_s / 3 + step * at for at in range(kills)]
