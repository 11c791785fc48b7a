"""The station's append-only log, its only buffer.

``segment`` is one file of it, ``journal`` the sequence of files, ``space`` decides what goes first when the
disk runs short.
"""

from .journal import Extent, Journal

__all__ = ["Extent", "Journal"]
