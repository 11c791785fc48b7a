"""``haihe-edge write`` and ``haihe-edge command``: what changes something at an instrument."""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

from haihe_contract.errors import FieldError

from haihe_edge import control, orders
from haihe_edge.profile import ModbusProfile
from haihe_edge.site import Instrument, Site
from haihe_edge.talk import OK, Talk

from . import alone

_ASK_S = 60.0
_DO = {"write": orders.write, "command": orders.command}
_EFFECTIVE = {
    "after_reply": "it is obeyed once the reply has been given",
    "restart": "it is obeyed only after the instrument has been started again",
}


def write(talk: Talk, arguments: argparse.Namespace, site: Site) -> int:
    """Through the running agent when there is one, else on the bus directly. Refused means nothing was sent."""
    try:
        wanted = _wanted(talk, arguments)
    except ValueError as error:
        return talk.wrongly(str(error))
    said = _done(talk, site, "write", {"instrument": arguments.instrument, **wanted})
    if talk.json:
        talk.line(json.dumps(said, ensure_ascii=False))
        return OK
    for row in said.get("points", [said]):
        facts = {"before": f"{row['before']:g}", "after": f"{row['after']:g}", "point": row["point"]}
        words = "{instrument} {point}: {before} before, {after} now (read back)"
        talk.verdict(talk.say(words, instrument=said["instrument"], **facts), good=True)
    return _told_when(talk, said)


def _wanted(talk: Talk, arguments: argparse.Namespace) -> dict[str, Any]:
    """The request.

    Raises:
        ValueError: when it was asked wrongly.
    """
    one = (arguments.point, arguments.value)
    if not arguments.set and None not in one:
        return {"point": arguments.point, "value": arguments.value}
    if not arguments.set or one != (None, None):
        raise ValueError(talk.say("give either --point and --value, or --set POINT=VALUE"))
    values: dict[str, float] = {}
    for text in arguments.set:
        point, _, number = text.partition("=")
        value = _number(number)
        if value is None:
            raise ValueError(talk.say("{text} is no POINT=VALUE, for example setpoint=0.25", text=text))
        if point in values:
            raise ValueError(talk.say("{point} is given twice", point=point))
        values[point] = value
    return {"values": values}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def command(talk: Talk, arguments: argparse.Namespace, site: Site) -> int:
    """Through the running agent when there is one, else on the bus directly. Without a name: which there are."""
    if arguments.name is None:
        return _list(talk, _known(site, arguments.instrument))
    said = _done(talk, site, "command", {"instrument": arguments.instrument, "command": arguments.name})
    if talk.json:
        talk.line(json.dumps(said, ensure_ascii=False))
        return OK
    for step in said["steps"]:
        talk.line(f"  {step['sent']}  {talk.say(step['answer'])}")
    talk.verdict(talk.say("{instrument}: {command} was sent ({does})", **said), good=True)
    return _told_when(talk, said)


def _told_when(talk: Talk, said: Mapping[str, Any]) -> int:
    if said["effective"] in _EFFECTIVE:
        talk.line(talk.say(_EFFECTIVE[said["effective"]]))
    return OK


def _known(site: Site, name: str) -> Instrument:
    found = site.instrument(name)
    if found is None:
        known = ", ".join(each.name for each in site.instruments)
        raise FieldError(f"no instrument {name!r}", where=str(site.file), do=f"name one of {known}")
    return found


def _list(talk: Talk, instrument: Instrument) -> int:
    profile = instrument.profile
    known = profile.commands if isinstance(profile, ModbusProfile) else ()
    if talk.json:
        rows = [
            {
                "command": each.name,
                "does": each.what,
                "effective": each.effective,
                "enabled": each.name in instrument.commands,
            }
            for each in known
        ]
        talk.line(json.dumps({"instrument": instrument.name, "commands": rows}, ensure_ascii=False))
        return OK
    if not known:
        return talk.verdict(talk.say("the profile {profile} has no commands", profile=profile.profile), good=True)
    enabled = {True: talk.say("enabled"), False: talk.say("not enabled in the site file")}
    talk.table(
        ("command", "here", "what it does"),
        [(each.name, enabled[each.name in instrument.commands], each.what) for each in known],
    )
    return OK


def _done(talk: Talk, site: Site, do: str, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return control.ask(site.control, {"do": do, **request}, timeout_s=_patience_s(site, request))
    except control.AnswerLost as error:  # asking again could do it twice
        raise FieldError(
            f"the agent was asked and has not answered; it may have been done or not ({error})",
            where=str(site.control),
            do="look at the instrument and at haihe-edge status before asking again",
        ) from None
    except control.AgentAway:
        return asyncio.run(alone.done_alone(site, _DO[do], {**request, "by": control.user_name(os.getuid())}))


def _patience_s(site: Site, request: Mapping[str, Any]) -> float:
    """How long the agent may take: what the profile itself waits comes on top."""
    instrument = site.instrument(request["instrument"])
    if instrument is None or not isinstance(instrument.profile, ModbusProfile):
        return _ASK_S
    profile = instrument.profile
    waits = [
        sum((step.wait_ms or 0) + profile.answer_ms.most for step in each.steps)
        for each in profile.commands
        if each.name == request.get("command")
    ]
    if "command" not in request:
        waits = [point.writable.settle_ms for point in profile.points if point.writable]
    return _ASK_S + max(waits, default=0) / 1000
