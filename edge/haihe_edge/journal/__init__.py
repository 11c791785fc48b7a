"""The station's append-only log, its only buffer.

``segment`` is one file of it, ``journal`` the sequence of files, ``disk`` where they lie, ``space`` decides what
goes first when the disk runs short.
"""

from .disk import Disk, Folder
from .journal import Extent, Journal

__all__ = ["Disk", "Extent", "Folder", "Journal"]
