"""What a poll costs on a Modbus bus. Pure.

The bound that physics sets: every byte of request and answer takes its bits on the wire, each frame ends with 3.5
characters of silence, and the instrument thinks before it answers. Nothing that runs on a computer is counted.
"""

from haihe_edge import limits
from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.load import Load
from haihe_edge.profile import ModbusProfile
from haihe_edge.site import Instrument, SerialBus, Site, TcpBus

from .frames import quiet_ms, rtu_answer_bytes, rtu_request, tcp_request
from .recipe import Wait, recipe

_TCP_MORE_BYTES = 4
"""Modbus TCP has seven bytes of header where a serial line has the unit and two of checksum."""
_TCP_TURN_MS = 1.0
"""One way there and back through a switch; what is farther away is said by the profile's answer time."""


def modbus_load(site: Site, each: Instrument, profile: ModbusProfile, bus: SerialBus | TcpBus) -> Load:
    """What an instrument that speaks Modbus asks of its bus."""
    asked = recipe(profile, each.unit, {site.series[number].point for number in each.series})
    steps = [step.request for step in asked.steps if not isinstance(step, Wait)]
    waits_ms = sum(step.milliseconds for step in asked.steps if isinstance(step, Wait))
    if asked.wake is not None and asked.reads and each.period_ms >= asked.wake.after_ms:
        steps.append(asked.reads[0].request)
        waits_ms += asked.wake.wait_ms
    many = len(steps)
    answer_ms = (profile.answer_ms.typical + profile.pause_ms) * many + waits_ms
    answers = sum(rtu_answer_bytes(step) for step in steps)
    if isinstance(bus, TcpBus) and bus.framing == "tcp":
        out = sum(len(tcp_request(step, 0)) for step in steps)
        into = answers + _TCP_MORE_BYTES * many
        return Load(each.name, each.period_ms, many, out, into, _TCP_TURN_MS * many, answer_ms)
    if isinstance(bus, SerialBus):
        one = character_ms(bus.baud, bus.parity, bus.stop_bits)
    else:
        one = character_ms(limits.RTU_OVER_TCP_BAUD)
    out, quiet = sum(len(rtu_request(step)) for step in steps), quiet_ms(one)
    silence_ms = 2 * quiet * many - min(quiet, profile.pause_ms) * many  # the instrument's pause is silence too
    return Load(each.name, each.period_ms, many, out, answers, (out + answers) * one + silence_ms, answer_ms)
