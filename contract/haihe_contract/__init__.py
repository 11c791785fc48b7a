"""What both sides agree on: the nouns of Haihe and how they cross the wire.

    station (haihe_edge)                                        centre (haihe_cloud)
    acquire -> qualify -> journal -> forward == links == ingest -> ledger + store -> alarm -> show

This package imports nothing of the other two, and only ``clock`` and ``document`` touch the machine.
"""

VERSION = "0.1.0"
"""Of all of Haihe; pyproject.toml takes it from here. Asking for it at run time would cost a station 2 MB of memory."""
