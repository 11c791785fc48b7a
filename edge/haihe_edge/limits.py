"""Every limit of the edge's input side, with its unit and its reason."""

from haihe_contract.errors import must

BUSES_MAX = 64
INSTRUMENTS_MAX = 247
"""As many as one RS-485 line can address."""
SERIES_MAX = 2000
PERIOD_MS_MIN = 100
PERIOD_MS_MAX = 24 * 3_600_000

REGISTERS_MAX = 125
"""Registers of one read: MODBUS Application Protocol V1.1b3, sections 6.3 and 6.4."""
WRITTEN_REGISTERS_MAX = 123
"""Registers of one write: the same, section 6.12."""
ANSWER_MS_MAX = 30_000
"""The slowest instrument of the collection answers after some seconds."""
SETTLE_MS = 50
"""After a failure a line must have been silent for so long; USB adapters hold bytes back for 16 ms."""
SETTLE_MS_MAX = 1_000
"""A line that never falls silent is used all the same: the frame is found in the noise or it is not."""
LINE_BYTES_MAX = 4096
"""Bytes of a line that are kept while they make no sense yet; a Modbus frame has at most 260."""

RTU_OVER_TCP_BAUD = 9600
"""How fast the serial side of a serial server runs is not known here; its usual setting is assumed."""

FIRST_READING_MS_MAX = 2_000
"""An instrument that is due later than this after the start is also asked at the start."""
FAILURES_BEFORE_PAUSES = 3
"""So many polls in a row must fail before a unit is left alone between probes."""
ALONE_POLLS = 3
"""After two instruments answered at one address, only one must have answered so often in a row to be believed alone:
one answer may hide the other."""
PROBE_PAUSE_MS_MIN = 2_000
PROBE_PAUSE_MS_MAX = 58_000
"""A unit that was repaired is read again within a minute; the rest is for its turn to come."""
PROBE_PAUSE_FLOOD_MS_MAX = 9_000
"""The same, within ten seconds, while a level of the station is reached or no unit of the bus answers."""
DEAD_SHARE = 0.05
"""Of a bus's time, how much may go to probes that bring nothing."""
PROBE_COST_MS = 100
"""What a failed probe costs beside its wait: request, settling of the line, the machine's own work."""
PROBE_GRACE_MS = 30
"""A probe waits so much longer than the profile's typical answer at least."""
FAILING_LATER_MS = 1_000
"""So much after its turn has come a unit that failed must be asked; until then the others go first."""
SILENCE_HELD_MS = 60_000
"""How long a silent instrument is held back while it may be the whole bus that is silent."""
REOPEN_PAUSE_MS_MIN = 500
REOPEN_PAUSE_MS_MAX = 10_000
"""A port that vanished is tried again at least that often: opening a missing port costs nothing."""
CONNECT_S_MAX = 3.0
LATE_ANSWER_MS = 10_000
"""Nobody answers later than this; up to then an answer may belong to a request that was given up."""
OVERRUN_ROWS_MAX = 8
"""Missed due times that are written down one by one when a bus falls behind; the rest is counted."""

BUSY_PAUSE_MS = 20
"""An instrument that says "busy" or "still working" is left so long before it is asked again."""
SEARCH_ASKS_MAX = 64
"""Reads by which it is found out which profile fits an instrument that is not the expected one."""
SEARCH_MS = 50
"""After a poll, how long such a search may go on before the others on the bus have their turn."""
RECOGNISE_AGAIN_MS = 60_000
"""How often an instrument that was not the expected one is asked again who it is."""

SDI12_LATENCY_MS_MAX = 5_000
"""An adapter that is slower than this is broken."""
NMEA_SENTENCE_BYTES_MAX = 1024
"""NMEA 0183 says 82; TXT and proprietary sentences of real receivers are longer."""
NMEA_SILENCE_MS = 5_000
"""Receivers speak every second; after this the receiver counts as silent and its fix as old."""

must(PROBE_PAUSE_MS_MIN <= PROBE_PAUSE_FLOOD_MS_MAX <= PROBE_PAUSE_MS_MAX)
must(REOPEN_PAUSE_MS_MIN <= REOPEN_PAUSE_MS_MAX)
must(LINE_BYTES_MAX > 260)

DIGITAL_LINES_MAX = 64
"""Lines of one request: GPIO_V2_LINES_MAX of the kernel's uapi/linux/gpio.h."""
DIGITAL_EVENTS_MAX = 1024
"""Edges that the kernel keeps for us: 16 a line, so 1024 for 64 lines. What does not fit is counted as lost."""
DIGITAL_PAUSE_MS = 20
"""Between two looks at the lines: a contact that chatters must not keep the processor busy. Times are the kernel's."""
DEBOUNCE_MS_MAX = 10_000
RAIN_EVERY_MS_MIN = 10_000
"""The running total of a rain gauge is written to the disk before it is sent, so not more often than this."""
WARM_UP_MS_MAX = 600_000
CLOCK_STEP_MS = 2_500
"""A station clock that moves by more did not drift, it was set; satellite and system time may differ by 2 s."""
COUNTER_PERIODS_MAX = 288
"""Rain of so many past intervals is given at most after a pause: a day of five minutes each."""

must(DIGITAL_EVENTS_MAX >= 16)
must(RAIN_EVERY_MS_MIN >= 1000)


def rain_record_mm(milliseconds: int) -> float:
    """More rain than this has never been measured in so long, at least a minute.

    The envelope of the world's records is 422 mm times the square root (nearly: the power 0.475) of the hours
    (J. L. H. Paulhus, Monthly Weather Review 93, 1965: 16.6 inches).
    """
    return float(422.0 * (max(60_000, milliseconds) / 3_600_000) ** 0.475)


LOG_ENTRIES_MAX = 65_536
"""As many as one register can number."""
MEMORY_ENTRIES_MAX = 500
"""Entries of an instrument's memory that are read before others of the bus get their chance again."""
MEMORY_TOGETHER = 16
"""Entries that are read before it is looked whether the memory has moved on meanwhile."""
MEMORY_PAUSE_MS_MIN = 10_000
MEMORY_PAUSE_MS_MAX = 3_600_000
"""After a failure a memory is left alone for so long, growing."""
MEMORY_FUTURE_MS = 60_000
"""An entry further ahead of the station's clock than this is not believed; the centre takes the same minute."""
MEMORY_GAPS_MAX = 32
"""Silences of one series that wait to be filled from an instrument's memory; the oldest is given up and counted."""
MEMORY_LOOKS = 12
"""What only a memory tells is looked for so often within its interval, until it is there."""
