"""A record that no centre would take for what it says becomes an event that says so: it must not be lost silently."""

import msgspec
from haihe_contract.quality import Grade
from haihe_contract.record import Body, Duty, Event, State, TimeFix
from haihe_contract.record_fault import record_fault


def sayable(body: Body) -> Body:
    """The record as it can be kept: itself, or the event ``not_recorded`` with what it was and why.

    What the journal itself says, of its line and of numbers that are gone, is bounded where it is made.
    """
    if not isinstance(body, Duty | Event | State | TimeFix):
        return body
    fault = record_fault(body) or _form_fault(body)
    if not fault:
        return body
    told = {"what": type(body).__name__.lower(), "why": fault}
    if isinstance(body, Event | State):
        told["name"] = (body.kind if isinstance(body, Event) else body.name)[:80]
    if not isinstance(body, Duty):
        event = Event(body.time_ms, body.grade, "not_recorded", detail=told)
        if not record_fault(event):
            return event
    return Event(0, Grade.NONE, "not_recorded", detail=told)


def _form_fault(body: Body) -> str:
    """Why it cannot be written, or nothing: JSON knows longer numbers than the journal's form."""
    try:
        msgspec.msgpack.encode(body)
    except OverflowError:
        return "a number of more than 64 bits"
    return ""
