"""Files of keys and settings: written beside, then moved into place, readable as little as needed."""

import os
from pathlib import Path

from haihe_contract.errors import FieldError

PUBLIC, SECRET = 0o644, 0o600


def write(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Write a file whole or not at all, with that mode from its first moment.

    Raises:
        FieldError: when the disk or the directory does not let us.
    """
    beside = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)  # a stick that is pulled now keeps the name too
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise FieldError(
            f"cannot be written: {error.strerror}", where=str(path), do="check owner and free space"
        ) from None
