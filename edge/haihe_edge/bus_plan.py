"""``haihe-edge plan``: what each bus has to do, and what it cannot."""

import json
from typing import Any

from .acquire.budget import CAPACITY, BusBudget, Load, Unmet, budgets, said
from .site import Site
from .talk import OK, WRONG, Talk

_COLUMNS = ("bus", "instrument", "every", "requests", "bytes", "on the wire", "answers", "of the bus's time")


def show(talk: Talk, site: Site) -> int:
    """Print the plan; exit 1 when a period cannot be met."""
    found = budgets(site)
    good = not any(each.always for bus in found for each in bus.unmet)
    if talk.json:
        talk.line(json.dumps({"ok": good, "buses": [_bus(bus) for bus in found]}, ensure_ascii=False))
        return OK if good else WRONG
    talk.table(_COLUMNS, [row for bus in found for row in _rows(talk, bus)])
    for bus in found:
        for each in bus.unmet:
            talk.line(talk.paint(_sentence(talk, bus, each), good=False))
    if not good:
        return talk.verdict(talk.say("not every period can be met, see above"), good=False)
    return talk.verdict(talk.say("every period can be met"), good=True)


def _rows(talk: Talk, bus: BusBudget) -> list[tuple[str, ...]]:
    rows = [
        (
            bus.bus,
            each.instrument,
            said(each.period_ms),
            str(each.requests),
            f"{each.bytes_out} + {each.bytes_in}",
            f"{each.wire_ms:.1f} ms",
            f"{each.answer_ms:.1f} ms",
            f"{each.share:.1%}",
        )
        for each in bus.loads
    ]
    return [*rows, (bus.bus, talk.say("together"), "", "", "", "", "", f"{bus.utilisation:.1%}")]


def _sentence(talk: Talk, bus: BusBudget, each: Unmet) -> str:
    facts = {"instrument": each.instrument, "every": said(each.period_ms), "bus": bus.bus}
    if not each.always:
        words = talk.say(
            "{instrument}: every {every} is missed now and then, when bus {bus} is busy with others", **facts
        )
    else:
        words = talk.say("{instrument}: every {every} cannot be met on bus {bus}", **facts)
    if each.could_ms is None:
        return words + talk.say("; move an instrument to another bus")
    sentence = "; every {could} could, if no other is asked more often" if each.common else "; every {could} could"
    return words + talk.say(sentence, could=said(each.could_ms))


def _bus(bus: BusBudget) -> dict[str, Any]:
    return {
        "bus": bus.bus,
        "kind": bus.kind,
        "address": bus.address,
        "utilisation": round(bus.utilisation, 4),
        "capacity": CAPACITY,
        "instruments": [_load(each) for each in bus.loads],
        "unmet": [each._asdict() for each in bus.unmet],
    }


def _load(load: Load) -> dict[str, Any]:
    return {
        **load._asdict(),
        "wire_ms": round(load.wire_ms, 2),
        "answer_ms": round(load.answer_ms, 2),
        "busy_ms": round(load.busy_ms, 2),
        "share": round(load.share, 4),
    }
