"""What the agent says of itself: one JSON object, described in docs/reference/status.md."""

import os
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
from haihe_contract import VERSION
from haihe_contract.clock import Clock
from haihe_contract.quality import PASS_MARK, unmark

from .acquire import Acquirer, Group
from .acquire.group import BusState
from .card import CardWear
from .clock.stamping import StationClock
from .forward.forwarder import Forwarder
from .qualify import Judged, LevelWatch
from .recorder import Recorder
from .site import Site


class Agent(Protocol):
    """A running station, as far as its status needs it."""

    site: Site
    started_ms: int
    system: Clock
    clock: StationClock
    recorder: Recorder
    card: CardWear
    acquirer: Acquirer
    levels: LevelWatch
    latest: dict[tuple[str, int], tuple[Group, Judged]]


def of(agent: Agent) -> dict[str, Any]:
    """Everything ``haihe-edge status`` shows, and whether all is well."""
    now = agent.system.now_ms()
    stamp = agent.clock.stamp()
    site, journal = agent.site, agent.recorder.journal
    buses = [_bus(state) for state in agent.acquirer.state()]
    centres = [_centre(forwarder, now) for forwarder in agent.recorder.forwarders]
    latest = _latest(agent)
    series = [
        {
            "series": each.key,
            "instrument": each.instrument,
            "period_ms": each.period_ms,
            **latest.get(each.key, _NOTHING),
        }
        for each in site.series
    ]
    troubles = _troubles(buses, centres, agent.recorder.trouble)
    return {
        "station": site.station.code,
        "name": {"zh": site.station.name.zh, "en": site.station.name.en},
        "version": VERSION,
        "running": True,
        "pid": os.getpid(),
        "started_ms": agent.started_ms,
        "now_ms": now,
        "clock": {"grade": int(stamp.grade), "gnss_offset_ms": agent.clock.trust.offset_ms},
        "journal": {
            "line": f"{journal.line:016x}",
            "head": journal.head,
            "not_durable": journal.waiting,
            "bytes": journal.bytes_used(),
            "bytes_limit": journal.size,
            "window_ms": site.journal.window_ms,
            "commits": agent.recorder.commits,
            "dropped": journal.dropped,
            "files_freed": journal.files_freed,
            "trouble": agent.recorder.trouble or None,
        },
        "card": {"written_bytes": agent.card.bytes(), "bytes_per_day": agent.card.per_day()},
        "centres": centres,
        "buses": buses,
        "series": series,
        "levels_reached": [{"series": site.series[n].key, "level": level} for n, level in agent.levels.reached()],
        "ok": not troubles,
        "troubles": troubles,
    }


def _centre(forwarder: Forwarder, now_ms: int) -> dict[str, Any]:
    outbox, budget = forwarder.outbox, forwarder.budget
    return {
        "name": forwarder.centre,
        "connected": forwarder.connected,
        "since_ms": forwarder.since_ms,
        "waiting_records": outbox.unsettled(),
        "in_flight": sum(outbox.flying(lane) for lane in range(3)),
        "in_flight_bytes": outbox.flying_bytes(),
        "round_trip_ms": outbox.flow.round_trip_ms or None,
        "bytes_per_s": round(outbox.flow.bytes_per_s) or None,
        "last_receipt_ms": forwarder.last_receipt_ms or None,
        "next_try_ms": None if forwarder.connected else forwarder.next_try_ms,
        "bytes_sent": forwarder.bytes_sent,
        "refused": forwarder.refused,
        "passed_over": outbox.passed_over,
        "volatile_sent": forwarder.volatile_sent,
        "budget_bytes": budget.allowance.bytes if budget is not None else None,
        "budget_used_bytes": budget.used_bytes(now_ms) if budget is not None else None,
        "budget_ends_ms": budget.ends_ms(now_ms) if budget is not None else None,
        "backlog_waits": budget is not None and not budget.pace(now_ms).backlog,
        "live_every_ms": budget.pace(now_ms).live_every_ms if budget is not None else 0,
        "trouble": forwarder.trouble or None,
    }


def row_of(site: Site, group: Group, judged: Judged) -> dict[str, Any]:
    """A reading group as ``watch`` and ``read`` show it."""
    marks = judged.marks or [PASS_MARK] * len(judged.series)
    return {
        "time_ms": group.time_ms,
        "grade": int(group.grade),
        "instrument": group.instrument,
        "readings": [
            {"series": site.series[number].key, "value": value, **_quality(packed)}
            for number, value, packed in zip(judged.series, judged.values, marks, strict=True)
        ],
    }


def answer_of(site: Site, group: Group, judged: Judged, buses: Iterable[BusState]) -> dict[str, Any]:
    """What an instrument said when it was asked, and what is wrong with it or its bus."""
    asked = group.instrument
    its = [bus for bus in buses if asked in {bus.name, *(each.name for each in bus.instruments)}]
    places = {asked, *(bus.name for bus in its)}
    troubles = [each for each in _troubles([_bus(bus) for bus in its], [], "") if each["where"] in places]
    return {**row_of(site, group, judged), "troubles": troubles}


def _quality(packed: int) -> dict[str, int]:
    flag, reasons = unmark(packed)
    return {"flag": int(flag), "reasons": int(reasons)}


def _bus(state: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(state))


_NOTHING: dict[str, Any] = {"time_ms": None, "value": None, "flag": None, "reasons": None, "grade": None}


def _latest(agent: Agent) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for group, judged in sorted(agent.latest.values(), key=lambda each: each[0].monotonic_ms):
        row = row_of(agent.site, group, judged)
        for each in row["readings"]:
            found[each.pop("series")] = {"time_ms": row["time_ms"], "grade": row["grade"], **each}
    return found


def _troubles(buses: list[dict[str, Any]], centres: list[dict[str, Any]], journal: str) -> list[dict[str, Any]]:
    """What is wrong now, worst first: kind, where, and words as a sentence with its facts."""
    found: list[dict[str, Any]] = []
    if journal:
        found.append({"kind": "journal", "where": "journal", "words": _said([journal, {}])})
    found += [
        {"kind": "link", "where": centre["name"], "words": _said([centre["trouble"] or "", {}])}
        for centre in centres
        if not centre["connected"] or centre["trouble"]
    ]
    for bus in buses:
        if bus["error"]:
            found.append({"kind": "bus", "where": bus["name"], "words": _said(bus["error"])})
        found += [
            {"kind": "instrument", "where": each["name"], "words": _said(each["error"])}
            for each in bus["instruments"]
            if bus["is_open"] and each["error"] and not bus["error"]
        ]
        found += [
            {"kind": "memory", "where": each["name"], "words": _said(log["error"])}
            for each in bus["instruments"]
            for log in each["memory"]
            if bus["is_open"] and log["error"] and not bus["error"]
        ]
    return found


def _said(error: Any) -> dict[str, Any]:
    """A sentence of the words table with its facts, and the same in English for whoever has no table."""
    if not error:
        return {"sentence": "", "facts": {}, "text": ""}
    sentence, facts = error
    return {"sentence": sentence, "facts": facts, "text": sentence.format(**facts) if facts else sentence}
