"""Where a new profile begins: a file that passes the check and a case that passes the test, to be changed."""

from haihe_edge.acquire.modbus.frames import crc16

_HEAD = """\
# yaml-language-server: $schema=profile.schema.json
profile: {name}
maker: Maker
model: Model
grade: simulated        # simulated: from documents only; bench: seen on a desk; field: seen at a station
sources:
  - maker's manual, edition and page
"""

_MODBUS = (
    _HEAD
    + """\
transport: modbus
serial: {{baud: 9600, parity: none, stop_bits: 1}}
unit: 1
units: [1, 247]
answer_ms: {{typical: 50, most: 500}}
blocks:                 # what may be read in one go; addresses are those on the wire, counted from 0
  - {{table: holding, start: 0x0000, count: 1}}
points:
  - {{name: distance, at: 0x0000, as: u16, element: distance, times: 0.001, sentinels: [{{raw: 0xFFFF, why: no echo}}]}}
notes:
  - What a technician should know.
"""
)
_ASCII = (
    _HEAD
    + """\
transport: ascii
serial: {{baud: 9600}}
frame: {{end: "\\r", most: 64}}
silent_after: 5s
messages:
  - {{name: range, lines: ["R{{distance:4}}"]}}
points:
  - {{name: distance, element: distance, times: 0.001}}
notes:
  - What a technician should know.
"""
)
_SDI12 = (
    _HEAD
    + """\
transport: sdi12
measurements:
  - {{name: all, command: M, values: 1}}
points:
  - {{name: distance, value: 0, element: distance}}
notes:
  - What a technician should know.
"""
)
_PROFILES = {"modbus": _MODBUS, "ascii": _ASCII, "sdi12": _SDI12}

_CASE_HEAD = "# Written by hand from the document named in the profile.\n"
_SPOKEN = {
    "ascii": _CASE_HEAD + 'unit: 0\nexchanges:\n  - {hear: "R1234\\rR1235\\r"}\nvalues:\n  distance: 1.235\n',
    "sdi12": _CASE_HEAD
    + 'unit: "0"\nexchanges:\n  - {send: "0M!", hear: "00011\\r\\n"}\n  - {hear: "0\\r\\n"}\n'
    + '  - {send: "0D0!", hear: "0+1.235\\r\\n"}\nvalues:\n  distance: 1.235\n',
}


def profile_text(name: str, transport: str) -> str:
    """A profile of that name to begin with."""
    return _PROFILES[transport].format(name=name)


def case_text(transport: str) -> str:
    """A golden case that fits it."""
    if transport in _SPOKEN:
        return _SPOKEN[transport]
    request, response = frame("01 03 00 00 00 01"), frame("01 03 02 04 D3")
    return (
        f"{_CASE_HEAD}unit: 1\nexchanges:\n  - request: {request}\n    response: {response}\n"
        "values:\n  distance: 1.235\n"
    )


def frame(body: str) -> str:
    """Hex bytes with their checksum, as cases write them."""
    data = bytes.fromhex(body)
    return (data + crc16(data).to_bytes(2, "little")).hex(" ").upper()
