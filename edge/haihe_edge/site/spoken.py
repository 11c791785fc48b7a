"""Buses of instruments that speak text or SDI-12: how people write them."""

from typing import Annotated, Literal

import msgspec
from haihe_contract.series import POINT_PATTERN

from haihe_edge.profile import Parity

Name = Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class AsciiBus(msgspec.Struct, frozen=True, tag="ascii", tag_field="kind"):
    """A serial line with instruments that speak text or short binary frames, asked or by themselves.

    Args:
        name: ours.
        port: the device; a name under /dev/serial/by-path survives an adapter that is plugged in again.
        baud: bits per second.
        parity: none, even or odd.
        stop_bits: 1 or 2.
    """

    name: Name
    port: Text
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 9600
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1


class Sdi12Bus(msgspec.Struct, frozen=True, tag="sdi12", tag_field="kind"):
    """An SDI-12 line behind a serial adapter.

    Args:
        name: ours.
        port: the device of the adapter.
        baud: bits per second of the port: 1200, or what the adapter wants where it keeps the pace itself.
        parity: even where the adapter passes the line's 7E1 through; none where it wants 8N1.
        wakes: how the sensors are woken: break (the port's break), zero (a zero byte at 600 baud, for ports that
            know no break) or adapter (it does that by itself).
        latency: how much later than on the wire an answer may arrive here; USB adapters hold bytes back.
    """

    name: Name
    port: Text
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 1200
    parity: Literal["even", "none"] = "even"
    wakes: Literal["break", "zero", "adapter"] = "break"
    latency: str = "250ms"
