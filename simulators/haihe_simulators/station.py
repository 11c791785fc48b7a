"""The instruments that a site file names, on the buses that it names, seeing one place of the river."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError

from .answer_log import AnswerLog
from .fault import Fault
from .gnss import GnssReceiver
from .instrument import Instrument, Source
from .modbus_server import ModbusServer
from .nature import Nature
from .profile_sheet import PARITIES, SheetPoint, read_sheet
from .sdi12_line import Sdi12Line
from .serial_line import SerialLine
from .spoken_bus import KINDS, spoken_line
from .text_line import TextLine

GNSS_ALTITUDE_M = 5.0


class SimulatedStation:
    """Everything outside the station's computer.

    Args:
        site_file: the site file whose instruments are played; its serial ports are made here as
            pseudo-terminals, its TCP ports are listened at.
        profiles: directory of profiles.
        logs: directory for the answer logs, one ``<instrument>.jsonl`` each.
        nature: what there is to be measured.
        clock: for logs and the receiver.
        chance: for noise and thinking times.
        talker: of the GNSS receiver.

    Raises:
        FieldError: when a file cannot be used.
    """

    def __init__(
        self,
        site_file: Path,
        profiles: Path,
        logs: Path,
        nature: Nature,
        clock: Clock,
        chance: random.Random,
        *,
        talker: str = "BD",
    ) -> None:
        site = _read(site_file)
        self.code = str(site["station"]["code"])
        self.water = nature.water
        self.lines: list[SerialLine | TextLine | Sdi12Line] = []
        self.servers: list[ModbusServer] = []
        self.receivers: list[GnssReceiver] = []
        self.logs: list[AnswerLog] = []
        self._tasks: list[asyncio.Task[None]] = []
        logs.mkdir(parents=True, exist_ok=True)

        def log_of(name: str) -> AnswerLog:
            self.logs.append(AnswerLog(logs / f"{name}.jsonl", clock))
            return self.logs[-1]

        for bus in site.get("buses") or ():
            stream = random.Random(chance.getrandbits(64))
            if bus["kind"] == "gnss":
                self.receivers.append(
                    GnssReceiver(
                        site_file.parent / bus["port"],
                        talker=talker,
                        latitude=float(site["station"]["latitude"]),
                        longitude=float(site["station"]["longitude"]),
                        altitude=GNSS_ALTITUDE_M,
                        log=log_of(bus["name"]),
                        clock=clock,
                        chance=stream,
                    )
                )
                continue
            if bus["kind"] in KINDS:
                named = [each for each in site.get("instruments") or () if each["bus"] == bus["name"]]
                port = site_file.parent / bus["port"]
                self.lines.append(
                    spoken_line(
                        bus,
                        port,
                        named,
                        profiles,
                        lambda point: nature.value(point.element) if point.element else point.plus,
                        log_of,
                        stream,
                    )
                )
                continue
            instruments = [
                Instrument(
                    each["name"],
                    int(each["unit"]),
                    read_sheet(profiles / f"{each['profile']}.yaml", each.get("variant"), each.get("parameters")),
                    read_by_point(nature),
                    log_of(each["name"]),
                    random.Random(stream.getrandbits(64)),
                    records=True,
                )
                for each in site.get("instruments") or ()
                if each["bus"] == bus["name"]
            ]
            if bus["kind"] == "tcp":
                self.servers.append(ModbusServer(instruments, host=bus["host"], port=int(bus.get("port", 502))))
            else:
                self.lines.append(
                    SerialLine(
                        site_file.parent / bus["port"],
                        instruments,
                        baud=int(bus.get("baud", 9600)),
                        parity=PARITIES[bus.get("parity", "none")],
                        stop_bits=int(bus.get("stop_bits", 1)),
                        chance=stream,
                    )
                )

    @property
    def answered(self) -> int:
        """How many answers the instruments gave since their logs were opened."""
        return sum(log.count for log in self.logs)

    async def start(self) -> None:
        """Put everything on its bus."""
        for line in self.lines:
            line.plug()
        for server in self.servers:
            try:
                await server.start()
            except OSError as error:
                raise FieldError(
                    f"the simulated instruments cannot listen: {error.strerror}",
                    where=f"{server.host}:{server.port}",
                    do="choose a free port of this machine in the site file",
                ) from None
        self._tasks = [asyncio.get_running_loop().create_task(receiver.run()) for receiver in self.receivers]

    @property
    def _buses(self) -> list[SerialLine | TextLine | Sdi12Line | ModbusServer]:
        return [*self.lines, *self.servers]

    def mute(self) -> None:
        """No instrument begins another answer."""
        for bus in self._buses:
            bus.faults.update(dict.fromkeys(bus.units, Fault.SILENT))
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Take everything off its bus."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for bus in self._buses:
            await bus.close()
        for log in self.logs:
            log.close()


def read_by_point(nature: Nature) -> Source:
    """What an instrument measures for each of its points; without an element, what it usually says there."""

    def value(point: SheetPoint) -> float | str:
        return nature.value(point.element) if point.element else point.usual

    return value


def _read(site_file: Path) -> Mapping[str, Any]:
    try:
        site = yaml.safe_load(site_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError(
            f"the site file cannot be read: {error}", where=str(site_file), do=f"haihe-edge check {site_file}"
        ) from None
    if not isinstance(site, dict) or "station" not in site:
        raise FieldError("this is no site file", where=str(site_file), do=f"haihe-edge check {site_file}")
    return site
