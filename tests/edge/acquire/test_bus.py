"""A conversation on real pseudo-terminals and sockets, with everything that goes wrong on them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Reason
from haihe_edge.acquire.bus import ModbusBus
from haihe_edge.acquire.line import BusDown, SerialLine, TcpLine
from haihe_edge.acquire.modbus import ExchangeError, Refused, Request
from pymodbus.server import StartAsyncTcpServer  # noqa: F401 - the independent counterpart
from pymodbus.simulator import DataType, SimData, SimDevice

from .conftest import PtyInstrument, framed, registers_answer

pytest_plugins: list[str] = []
ASKED = Request(1, 3, 0, 2)


async def spoken_with(instrument: PtyInstrument) -> ModbusBus:
    bus = ModbusBus(SerialLine(instrument.port, 9600), SystemClock(), baud=9600, framing="rtu")
    await bus.line.open()
    return bus
