"""The kinds of profile. A new way to speak is one module with a model and a check, and one line in each table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from haihe_contract.document import Document

from .checking import check_modbus
from .modbus import ModbusProfile
from .sdi12 import Sdi12Profile, check_sdi12
from .text import TextProfile, check_text

Profile = ModbusProfile | TextProfile | Sdi12Profile
"""Any profile; the key ``transport`` says which."""

CHECKS: Mapping[type, Callable[[Any, Path, Document], None]] = {
    ModbusProfile: check_modbus,
    TextProfile: check_text,
    Sdi12Profile: check_sdi12,
}
"""What looks across the fields of each kind; complains to the document."""
