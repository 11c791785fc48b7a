"""The profiles that a machine has, read only when an instrument is not the expected one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from haihe_contract.document import DocumentError

from haihe_edge.profile import ModbusProfile, load_profile


class Library:
    """Reads the profiles beside the running agent; a file that cannot be used is left out.

    Args:
        files: of every profile that can be named.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._reading: asyncio.Task[list[ModbusProfile]] | None = None

    def profiles(self) -> list[ModbusProfile] | None:
        """All of them, None while they are being read. The first call begins; the list is handed out once."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
        if not self._reading.done():
            return None
        found, self._reading = self._reading.result(), None
        return found

    def _read(self) -> list[ModbusProfile]:
        found = []
        for path in self._files.values():
            try:
                if b"identify:" not in path.read_bytes():  # most have none, and reading YAML is slow
                    continue
                profile = load_profile(path)
            except (OSError, DocumentError):
                continue
            if isinstance(profile, ModbusProfile):
                found.append(profile)
        return found
