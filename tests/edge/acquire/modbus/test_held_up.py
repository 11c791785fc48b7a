"""Promises of a conversation while the processor has other work."""

import asyncio
import os
import pty
import threading
import time
import tty

from haihe_contract.clock import SystemClock
from haihe_edge.acquire.line import SerialLine
from haihe_edge.acquire.modbus.bus import ModbusBus
from haihe_edge.acquire.modbus.frames import Request

from tests.edge.acquire.far_end import registers_answer

LOOP = asyncio.SelectorEventLoop
"""What the machine takes from this process must count here."""


async def test_an_answer_that_came_while_the_whole_agent_was_held_up_is_read_and_no_time_out() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    bus = ModbusBus(SerialLine(os.ttyname(slave), 9600), SystemClock(), baud=9600, framing="rtu")
    await bus.line.open()

    def answers() -> None:
        request = os.read(master, 8)
        time.sleep(0.02)
        os.write(master, registers_answer(request, 3214, 7))

    instrument = threading.Thread(target=answers)
    instrument.start()
    asked = asyncio.ensure_future(bus.exchange(Request(1, 3, 0, 2), 100))
    await asyncio.sleep(0.01)
    time.sleep(0.6)  # the processor has other work, and this process none of it  # noqa: ASYNC251
    assert await asked == b"\x0c\x8e\0\x07"
    instrument.join()
    bus.line.close()
    os.close(master)
    os.close(slave)
