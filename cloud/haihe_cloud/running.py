"""One process works on a data directory: the centre that runs, or who replaces its files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haihe_contract.errors import FieldError

_LOCK = "run.lock"


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the directory; the kernel lets go of it however the process ends.

    Raises:
        FieldError: when another process holds it, or the directory cannot be used.
    """
    path = data / _LOCK
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FieldError(
            f"the data directory cannot be used: {error.strerror}", where=str(path), do="check owner and space"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FieldError(
                "a centre runs on this data directory", where=str(data), do="stop it first: systemctl stop haihe-cloud"
            ) from None
        yield
    finally:
        os.close(descriptor)
