"""``haihe-edge plan``: what each bus has to do, and what it cannot."""

import json
from typing import Any

from haihe_contract.quantity import duration_text

from haihe_edge.acquire.budget import CAPACITY, BusBudget, Unmet, budgets, taken
from haihe_edge.acquire.load import Load
from haihe_edge.site import Site
from haihe_edge.talk import OK, WRONG, Talk

_HEADS = ("bus", "instrument", "every", "requests", "bytes", "on the wire", "answers", "measuring", "of the bus's time")
_MEASURING = 7
_LENGTH = {"known": "", "example": "~", "limit": "<"}
_LEGEND = {
    "~": "~ the length of an example in the profile",
    "<": "< the longest message that the profile lets pass; its lines leave the length open",
    "*": "* measured together: of those with one period only the longest counts",
    "-": "- speaks by itself; the share is that of its messages at its own pace",
}


def show(talk: Talk, site: Site) -> int:
    """Print the plan; exit 1 when a period cannot be met."""
    found = budgets(site)
    good = not any(each.always for bus in found for each in bus.unmet)
    if talk.json:
        talk.line(json.dumps({"ok": good, "buses": [_bus(bus) for bus in found]}, ensure_ascii=False))
        return OK if good else WRONG
    rows = [row for bus in found for row in _rows(talk, bus)]
    if rows:
        shown_at = [at for at in range(len(_HEADS)) if at != _MEASURING or any(row[at] for row in rows)]
        talk.table([_HEADS[at] for at in shown_at], [[row[at] for at in shown_at] for row in rows])
    signs = {letter for row in rows for cell in row[2:] for letter in cell}
    for sign, words in _LEGEND.items():
        if sign in signs:
            talk.line(talk.say(words))
    for bus in found:
        if bus.kind == "gnss":
            talk.line(talk.say("{bus}: the receiver speaks by itself; nothing is asked of it", bus=bus.bus))
        for load in bus.loads:
            for unknown in load.unknown:
                talk.line(talk.say(_NOT_COUNTED[unknown], instrument=load.instrument))
    for bus in found:
        for each in bus.unmet:
            talk.line(talk.paint(_sentence(talk, bus, each), good=False))
    if not good:
        return talk.verdict(talk.say("not every period can be met, see above"), good=False)
    return talk.verdict(talk.say("every period can be met"), good=True)


_NOT_COUNTED = {
    "measure_ms": "{instrument}: its profile does not say how long it measures (power, measure_ms); not counted",
    "pace": "{instrument}: its profile does not say how often it speaks (pace); not counted",
}


def _rows(talk: Talk, bus: BusBudget) -> list[tuple[str, ...]]:
    rows = [_row(bus.bus, each) for each in bus.loads]
    if len(rows) > 1:
        rows.append((bus.bus, talk.say("together"), "", "", "", "", "", "", f"{bus.utilisation:.1%}"))
    return rows


def _row(bus: str, each: Load) -> tuple[str, ...]:
    size = f"{_LENGTH[each.length]}{each.bytes_in}"
    measuring = taken(each.waits_ms + each.shared_ms) if each.waits_ms or each.shared_ms else ""
    return (
        bus,
        each.instrument,
        duration_text(each.period_ms),
        "-" if each.speaks else str(each.requests),
        size if each.speaks else f"{each.bytes_out} + {size}",
        taken(each.wire_ms),
        "" if each.speaks else taken(each.answer_ms),
        measuring + (" *" if each.shared_ms else ""),
        "" if each.speaks and each.pace_ms is None else f"{each.share:.1%}",
    )


def _sentence(talk: Talk, bus: BusBudget, each: Unmet) -> str:
    facts = {
        "instrument": each.instrument,
        "every": duration_text(each.period_ms),
        "bus": bus.bus,
        "takes": taken(each.takes_ms),
        "pace": duration_text(each.pace_ms or 0),
    }
    words = talk.say(_CAUSES[each.why], **facts)
    if each.could_ms is None:
        other = "; set a higher baud rate" if each.why == "baud" else "; move an instrument to another bus"
        return words + talk.say(other)
    sentence = "; every {could} could, if no other is asked more often" if each.common else "; every {could} could"
    return words + talk.say(sentence, could=duration_text(each.could_ms))


_CAUSES = {
    "busy": "{instrument}: every {every} cannot be met on bus {bus}",
    "poll": "{instrument}: every {every} cannot be met on bus {bus}, one poll takes {takes}",
    "held": "{instrument}: every {every} is missed now and then, when bus {bus} is busy with others",
    "pace": "{instrument}: every {every} cannot be met, it speaks by itself only every {pace}",
    "baud": "{instrument}: its messages take {takes} on bus {bus}, and it speaks every {pace}",
}


def _bus(bus: BusBudget) -> dict[str, Any]:
    return {
        "bus": bus.bus,
        "kind": bus.kind,
        "address": bus.address,
        "speaks": bus.kind == "gnss" or any(each.speaks for each in bus.loads),
        "utilisation": round(bus.utilisation, 4),
        "capacity": CAPACITY,
        "instruments": [_load(each) for each in bus.loads],
        "unmet": [{**each._asdict(), "takes_ms": round(each.takes_ms, 2)} for each in bus.unmet],
    }


def _load(load: Load) -> dict[str, Any]:
    return {
        **load._asdict(),
        "speaks": load.speaks,
        "wire_ms": round(load.wire_ms, 2),
        "answer_ms": round(load.answer_ms, 2),
        "waits_ms": round(load.waits_ms, 2),
        "busy_ms": round(load.busy_ms, 2),
        "share": round(load.share, 4),
    }
