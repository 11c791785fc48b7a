"""Every limit of the edge's input side, with its unit and its reason."""

from haihe_contract.errors import must

BUSES_MAX = 32
INSTRUMENTS_MAX = 247
"""As many as one RS-485 line can address."""
SERIES_MAX = 2000
PERIOD_MS_MIN = 100
PERIOD_MS_MAX = 24 * 3_600_000

REGISTERS_MAX = 125
"""Registers of one read: MODBUS Application Protocol V1.1b3, sections 6.3 and 6.4."""
ANSWER_MS_MAX = 30_000
"""The slowest instrument of the collection answers after some seconds."""
LINE_BYTES_MAX = 4096
"""Bytes of a line that are kept while they make no sense yet; a Modbus frame has at most 260."""

FAILURES_BEFORE_PAUSES = 3
"""So many polls in a row must fail before a unit is left alone between probes."""
PROBE_PAUSE_MS_MIN = 2_000
PROBE_PAUSE_MS_MAX = 60_000
"""A dead unit costs one time-out a minute at most, and is back within a minute of its repair."""
REOPEN_PAUSE_MS_MIN = 500
REOPEN_PAUSE_MS_MAX = 10_000
"""A port that vanished is tried again at least that often: opening a missing port costs nothing."""
CONNECT_S_MAX = 3.0
LATE_ANSWER_MS = 10_000
"""Nobody answers later than this; up to then an answer may belong to a request that was given up."""
OVERRUN_ROWS_MAX = 8
"""Missed due times that are written down one by one when a bus falls behind; the rest is counted."""

NMEA_SENTENCE_BYTES_MAX = 1024
"""NMEA 0183 says 82; TXT and proprietary sentences of real receivers are longer."""
NMEA_SILENCE_MS = 5_000
"""Receivers speak every second; after this the receiver counts as silent and its fix as old."""

must(PROBE_PAUSE_MS_MIN <= PROBE_PAUSE_MS_MAX)
must(REOPEN_PAUSE_MS_MIN <= REOPEN_PAUSE_MS_MAX)
must(LINE_BYTES_MAX > 260)
