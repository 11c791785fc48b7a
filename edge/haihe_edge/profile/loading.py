"""Finding and reading profiles."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from haihe_contract.document import DocumentError, Problem, load

from .expand import written_out
from .modbus import ModbusProfile
from .model import CHECKS, Profile


def load_profile(path: Path) -> Profile:
    """Read and check one profile.

    Raises:
        DocumentError: with every fault of the file.
    """
    profile, document = load(path, cast("Any", Profile))
    CHECKS[type(profile)](profile, path, document)
    document.finish()
    return written_out(profile) if isinstance(profile, ModbusProfile) else cast("Profile", profile)


def profile_directories(asked: Sequence[Path] = ()) -> list[Path]:
    """Where profiles are looked for, in this order: asked for, HAIHE_PROFILES, here, installed."""
    found = list(asked)
    found += [Path(each) for each in os.environ.get("HAIHE_PROFILES", "").split(os.pathsep) if each]
    found += [Path("firmware_profiles"), Path(sys.prefix) / "share" / "haihe" / "firmware_profiles"]
    return found


def known_profiles(directories: Sequence[Path]) -> dict[str, Path]:
    """Every profile that can be named, by id; the first directory that has one wins."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")) if directory.is_dir() else ():
            found.setdefault(path.stem, path)
    return found


def problems_of(path: Path) -> list[Problem]:
    """Every fault of a profile, none when it is good."""
    try:
        load_profile(path)
    except DocumentError as error:
        return error.problems
    return []
