"""A profile against the instrument itself, point by point: what stands in the registers, and what is made of it."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.quality import Reason
from msgspec.structs import replace

from haihe_edge.acquire.acquirer import open_bus
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.line import BusDown
from haihe_edge.acquire.modbus.bus import ModbusBus
from haihe_edge.acquire.modbus.decode import spoken
from haihe_edge.acquire.modbus.follow import follow
from haihe_edge.acquire.modbus.frames import Request, Write
from haihe_edge.acquire.modbus.plan import FUNCTIONS
from haihe_edge.acquire.modbus.recipe import recipe
from haihe_edge.profile import ModbusProfile, Point
from haihe_edge.site import Instrument, SerialBus, Site, TcpBus

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


class Seen(NamedTuple):
    """One point as the instrument says it now.

    Args:
        point: its name.
        registers: what stood in its registers, as hex; empty when nothing came.
        value: made of it by the profile, or a text, or None.
        reason: why there is none, or a doubt.
        said: what the line or the instrument did wrong, as a sentence with its facts; empty when nothing.
        facts: of that sentence.
        otherwise: for a point that is not sure: what it would be in every byte order.
    """

    point: str
    registers: str
    value: float | str | None
    reason: Reason
    said: str = ""
    facts: tuple[tuple[str, object], ...] = ()
    otherwise: tuple[tuple[str, float | str], ...] = ()


async def look(site: Site, instrument: Instrument, clock: Clock) -> AsyncIterator[Seen]:
    """Ask for one point after the other. What reading clears is left alone.

    Raises:
        FieldError: when the bus cannot be opened, or the instrument does not speak Modbus.
    """
    profile, bus = instrument.profile, site.buses[instrument.bus]
    if not isinstance(profile, ModbusProfile) or not isinstance(bus, SerialBus | TcpBus):
        raise FieldError(f"{instrument.name} does not speak Modbus", where=str(site.file), do="haihe-edge read")
    conversation = open_bus(bus, clock)
    try:
        await conversation.line.open()
        for point in profile.points:
            if not point.read_clears:
                yield await _seen(profile, point, instrument.unit, conversation, clock)
    except BusDown as error:
        raise FieldError(
            f"the bus {bus.name} cannot be used: {error}",
            where=conversation.line.name,
            do="stop the agent first if it is running: systemctl stop haihe-edge",
        ) from None
    finally:
        conversation.line.close()


async def _seen(profile: ModbusProfile, point: Point, unit: int, bus: ModbusBus, clock: Clock) -> Seen:
    taken: dict[Request, bytes] = {}

    async def ask(request: Request | Write) -> bytes | ExchangeError:
        try:
            answer = await bus.exchange(request, profile.answer_ms.most, profile.pause_ms)
        except ExchangeError as error:
            return error
        if isinstance(request, Request):
            taken[request] = answer
        return answer

    if not point.is_number:
        request = _request(profile, point, unit)
        answer = await ask(request)
        if isinstance(answer, ExchangeError):
            return _failed(point, answer, answer.reason)
        return Seen(point.name, _hex(point, taken), spoken(point, answer, request.start), Reason.NONE)
    done = await follow(recipe(profile, unit, [point.name]), ask, clock)
    value, reason = done.values[point.name]
    if done.failure is not None and value is None:
        return _failed(point, done.failure, reason)
    return Seen(point.name, _hex(point, taken), value, reason, otherwise=_otherwise(point, taken))


def _failed(point: Point, error: ExchangeError, reason: Reason) -> Seen:
    return Seen(point.name, "", None, reason, error.sentence, tuple(error.facts.items()))


def _request(profile: ModbusProfile, point: Point, unit: int) -> Request:
    block = profile.block_of(point)
    if profile.merge == "whole" and block is not None:
        return Request(unit, FUNCTIONS[block.table], block.start, block.count)
    return Request(unit, FUNCTIONS[point.table], point.at, point.words)


def _holding(point: Point, taken: dict[Request, bytes]) -> tuple[Request, bytes] | None:
    for request, data in taken.items():
        inside = request.start <= point.at and point.at + point.words <= request.start + request.quantity
        if inside and request.function == FUNCTIONS[point.table]:
            return request, data
    return None


def _hex(point: Point, taken: dict[Request, bytes]) -> str:
    found = _holding(point, taken)
    if found is None:
        return ""
    request, data = found
    if point.kind == "bit":
        return data.hex(" ").upper()
    offset = 2 * (point.at - request.start)
    return data[offset : offset + 2 * point.words].hex(" ").upper()


def _otherwise(point: Point, taken: dict[Request, bytes]) -> tuple[tuple[str, float | str], ...]:
    """All byte orders, for somebody who has to find out the right one."""
    found = _holding(point, taken)
    if not point.unsure or point.words < 2 or found is None:
        return ()
    request, data = found
    return tuple((order, spoken(replace(point, order=order), data, request.start)) for order in ORDERS)
