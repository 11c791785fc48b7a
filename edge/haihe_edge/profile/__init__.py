"""What a model of instrument can say: the models of ``firmware_profiles/*.yaml``.

One module per way to speak (``transport``); :mod:`.model` joins them into :data:`Profile`.
"""

from .expand import holds_for, variant_of, varied, with_parameters, written_out
from .grouped import members, written_at
from .header import Answer, Counter, Grade, Header, Parity, PointBase, Power, Sentinel, Serial
from .loading import known_profiles, load_profile, problems_of, profile_directories
from .memory import EntryTime, Log, LogPoint, Select, Since
from .modbus import ModbusProfile, Variant
from .model import Profile
from .point import WORDS_OF, Block, Kind, Order, Point, Repeat, Table
from .rules import Condition, FromParameters, InUnit, Parameter, Quality, ScaleFrom, UnitFrom
from .sdi12 import Sdi12Point, Sdi12Profile
from .steps import Command, Effective, Retry, Send, Step, WaitFor, Wake, Writable
from .text import TextPoint, TextProfile

__all__ = [
    "WORDS_OF",
    "Answer",
    "Block",
    "Command",
    "Condition",
    "Counter",
    "Effective",
    "FromParameters",
    "EntryTime",
    "Grade",
    "Header",
    "InUnit",
    "Kind",
    "Log",
    "LogPoint",
    "ModbusProfile",
    "Order",
    "Parameter",
    "Parity",
    "Point",
    "PointBase",
    "Power",
    "Profile",
    "Quality",
    "Repeat",
    "Retry",
    "ScaleFrom",
    "Send",
    "Sdi12Point",
    "Sdi12Profile",
    "Select",
    "Sentinel",
    "Serial",
    "Since",
    "Step",
    "Table",
    "TextPoint",
    "TextProfile",
    "UnitFrom",
    "Variant",
    "WaitFor",
    "Wake",
    "Writable",
    "holds_for",
    "known_profiles",
    "load_profile",
    "members",
    "problems_of",
    "profile_directories",
    "variant_of",
    "varied",
    "with_parameters",
    "written_at",
    "written_out",
]
