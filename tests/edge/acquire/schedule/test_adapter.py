"""An adapter is known by the socket it is plugged into, whatever name the kernel gives it."""

import os
import pty
import tty
from pathlib import Path

import pytest
import serial
from haihe_edge.acquire.adapter import Whereabouts, socket_of, tty_at
from haihe_edge.acquire.line import BusDown, SerialLine, kernel_turns


class Machine:
    """A kernel's tree of ttys and its device files."""

    def __init__(self, root: Path) -> None:
        self.ttys, self.devices = root / "sys/class/tty", root / "dev"
        self._hub = root / "sys/devices/pci/usb1/1-1"
        for folder in (self.ttys, self.devices, self._hub):
            folder.mkdir(parents=True)
        (self.ttys / "console").mkdir()

    def plug(self, tty: str, socket: str, interface: str = "1.0") -> Path:
        device = self._hub / socket / f"{socket}:{interface}" / tty
        device.mkdir(parents=True)
        (self.ttys / tty).mkdir()
        (self.ttys / tty / "device").symlink_to(device)
        (self.devices / tty).touch()
        return self.devices / tty

    def unplug(self, tty: str) -> None:
        (self.ttys / tty / "device").unlink()
        (self.ttys / tty).rmdir()
        (self.devices / tty).unlink()

    def follow(self, port: str) -> Whereabouts:
        return Whereabouts(port, self.ttys, self.devices)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_tty_is_known_by_its_socket_and_a_socket_by_its_tty(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1-1.2")
    machine.plug("ttyUSB1", "1-1.4", "1.1")
    assert socket_of("ttyUSB1", machine.ttys) == "1-1.4:1.1"
    assert tty_at("1-1.4", machine.ttys) == "ttyUSB1"
    assert tty_at("1-1.4:1.1", machine.ttys) == "ttyUSB1"
    assert tty_at("1-1", machine.ttys) is None
    assert socket_of("console", machine.ttys) is None
    assert tty_at("1-1.2", machine.ttys / "nowhere") is None


def test_an_adapter_that_comes_back_under_another_name_is_found(machine: Machine) -> None:
    port = machine.plug("ttyUSB0", "1-1.2")
    whereabouts = machine.follow(str(port))
    whereabouts.opened(whereabouts.device())
    machine.unplug("ttyUSB0")
    machine.plug("ttyUSB3", "1-1.2")
    assert whereabouts.device() == str(machine.devices / "ttyUSB3")


def test_another_adapter_that_took_the_name_is_not_mistaken_for_ours(machine: Machine) -> None:
    port = machine.plug("ttyUSB0", "1-1.2")
    whereabouts = machine.follow(str(port))
    whereabouts.opened(whereabouts.device())
    machine.unplug("ttyUSB0")
    machine.plug("ttyUSB0", "1-1.4")
    machine.plug("ttyUSB1", "1-1.2")
    assert whereabouts.device() == str(machine.devices / "ttyUSB1")


def test_a_site_file_can_name_the_socket_itself(machine: Machine) -> None:
    whereabouts = machine.follow("usb:1-1.2")
    assert whereabouts.device() == "usb:1-1.2"
    machine.plug("ttyACM0", "1-1.2")
    assert whereabouts.device() == str(machine.devices / "ttyACM0")


def test_a_port_that_is_no_adapter_keeps_its_written_name(machine: Machine) -> None:
    whereabouts = machine.follow("/dev/ttyAMA0")
    whereabouts.opened("/dev/ttyAMA0")
    assert whereabouts.device() == "/dev/ttyAMA0"


async def test_a_line_is_open_again_after_its_adapter_got_another_name(machine: Machine) -> None:
    ends = []
    for tty_name, plugged in (("ttyUSB0", True), ("ttyUSB1", False)):
        master, client = pty.openpty()
        tty.setraw(client)
        ends += [master, client]
        (machine.devices / tty_name).symlink_to(os.ttyname(client))
        if plugged:
            first = os.ttyname(client)
    # The kernel's name of a pseudo-terminal is its number.
    numbers = [Path(os.ttyname(end)).name for end in ends[1::2]]
    hub = machine.ttys.parent / "1-1.2:1.0"
    for number in numbers[:1]:
        (hub / number).mkdir(parents=True)
        (machine.ttys / number).mkdir()
        (machine.ttys / number / "device").symlink_to(hub / number)
    whereabouts = Whereabouts(str(machine.devices / "ttyUSB0"), machine.ttys, Path(first).parent)
    line = SerialLine(str(machine.devices / "ttyUSB0"), 9600, whereabouts=whereabouts)
    await line.open()
    line.close()
    (machine.devices / "ttyUSB0").unlink()
    (machine.ttys / numbers[0] / "device").unlink()
    (machine.ttys / numbers[1]).mkdir()
    (hub / numbers[1]).mkdir()
    (machine.ttys / numbers[1] / "device").symlink_to(hub / numbers[1])
    await line.open()
    line.write(b"\x01")
    assert os.read(ends[2], 1) == b"\x01"
    line.close()
    for end in ends:
        os.close(end)


async def test_the_kernel_is_asked_to_turn_the_transmitter_and_its_refusal_is_told() -> None:
    master, client = pty.openpty()
    asked: list[serial.Serial] = []
    line = SerialLine(os.ttyname(client), 9600, turn=asked.append)
    await line.open()
    assert len(asked) == 1
    line.close()
    refused = SerialLine(os.ttyname(client), 9600, turn=kernel_turns)
    with pytest.raises(BusDown, match="RS485"):
        await refused.open()
    assert not refused.is_open
    await line.open()  # the port that refused was let go of
    line.close()
    os.close(master)
    os.close(client)
