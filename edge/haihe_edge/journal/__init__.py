"""The station's append-only log, its only buffer.

``segment`` is one file of it, ``journal`` the sequence of files, ``disk`` where they lie, ``space`` decides what
goes first when the disk runs short, ``look`` reads beside a running agent, ``sizing`` measures before one runs.
"""

from .disk import Disk, Folder
from .extent import Extent
from .journal import Journal
from .look import Look
from .sizing import Appetite, Rhythm, appetite

__all__ = ["Disk", "Extent", "Folder", "Journal", "Look", "Appetite", "Rhythm", "appetite"]
