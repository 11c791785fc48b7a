"""A station with one radar: its site file, and the radar itself as a real Modbus TCP server."""

import asyncio
import threading
from collections.abc import Sequence

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.edge.acquire.far_end import port_of


def radar_site(port: int, station: str = "31005650") -> str:
    """The site file as far as it is alike everywhere: journal, control and centres are still to come."""
    return f"""
station: {{code: "{station}", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses:
  - {{kind: tcp, name: net, host: 127.0.0.1, port: {port}}}
instruments:
  - name: radar
    profile: geolux-lx-80
    bus: net
    unit: 1
    every: 200ms
    series:
      - {{point: distance}}
      - {{point: distance, as: water_level, times: -1, plus: 8.35, datum: dagu}}
"""


class Radar:
    """Registers that stand still; those of a radar say 3.001 m for ever."""

    def __init__(self, unit: int = 1, values: Sequence[int] = range(3000, 3040)) -> None:
        self.port = 0
        self._unit, self._values = unit, list(values)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        async def serve() -> None:
            device = SimDevice(self._unit, [SimData(0, values=self._values, datatype=DataType.REGISTERS)])
            server = ModbusTcpServer([device], address=("127.0.0.1", 0))
            self.port = await port_of(server)
            self._ready.set()
            self._stop = asyncio.Event()
            await self._stop.wait()
            await server.shutdown()

        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(serve())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
