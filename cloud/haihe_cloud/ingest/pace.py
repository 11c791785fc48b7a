"""How much of the centre's time and room one station may take: a limit for each message, and a rate. Pure.

A few hundred bytes can say enough for minutes of work (an hour of readings costs one row, and so does a year of which
there is one reading an hour), and every opening leaves rows for ever. So what a message asks for is counted in rows,
and each station has an account of rows and one of new lines that fill up again with time. What goes ahead of the
backlog has accounts of its own: a backlog that waits never holds up what the station measures now. What people bring
is on no account: else a bundle that is imported twice would let the station's link wait for hours.

Nothing is lost by it: what is not taken has no receipt, so the station keeps it and sends it again later. Only a
message beyond the limit for one goes to quarantine, and a volatile one that would have to wait, because it does not
come again.
"""

import logging

from haihe_contract.record import LANE_BACKLOG, Gap, Opened, Readings, Summary
from haihe_contract.wire import Batch, Envelope

from haihe_cloud.ledger import contents, tally
from haihe_cloud.limits import (
    LINE_EVERY_MS,
    LINES_BURST,
    SUMMARIES_A_ROW,
    WORK_BURST,
    WORK_OF_A_MESSAGE,
    WORK_PER_S,
)

from .admit import Admitted, Heartbeat, Later, Quarantine, Verdict, refuse

_log = logging.getLogger(__name__)


def work(batch: Batch) -> int:
    """Rows that booking a batch reads and writes, without those that every message costs."""
    rows = len(contents.keys(batch)) + len(tally.keys(batch))
    for record in batch.records:
        body = record.body
        if type(body) is not Readings:  # nearly all
            rows += 1 + (len(body.series) // SUMMARIES_A_ROW if isinstance(body, Summary) else 0)
    return rows


def _others(batch: Batch) -> int:
    """Further lines that a batch names, each of which may be new."""
    named: set[int] = set()
    for record in batch.records:
        body = record.body
        if type(body) is Readings:  # nearly all
            continue
        if isinstance(body, Gap | Summary):
            named.add(body.line)
        elif isinstance(body, Opened):
            named.add(body.previous)
    return len(named - {0, batch.line})


class Pace:
    """The accounts of all stations. Remembered in memory only: after a restart they are full."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, bool], _Account] = {}

    def must_wait(self, envelope: Envelope, now_ms: int, *, opens: bool) -> bool:
        """Whether a message is too early, as far as can be said before it is opened.

        Args:
            envelope: of the message.
            now_ms: monotonic.
            opens: whether its line was never heard of.
        """
        account = self._of(envelope, now_ms)
        waits = account.rows < 0 or (opens and account.lines < 1)
        if waits and not account.waits:
            what = "new lines" if account.rows >= 0 else "rows"
            _log.warning("station %s asks for too many %s: what is over its rate waits", envelope.station, what)
        account.waits = waits
        return waits

    def charge(self, verdict: Admitted | Heartbeat, rows: int, now_ms: int, *, opens: bool) -> None:
        """Take what a message of a link costs from its station's accounts, ``rows`` of :func:`work` among it."""
        account = self._of(verdict.envelope, now_ms)
        account.lines -= opens
        if isinstance(verdict, Admitted):
            account.lines -= _others(verdict.batch)
            account.rows -= rows

    def _of(self, envelope: Envelope, now_ms: int) -> "_Account":
        key = envelope.station, envelope.lane == LANE_BACKLOG
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(now_ms)
        account.fill(now_ms)
        return account


class _Account:
    """What one station may still take now; below nothing when a message has taken more than there was."""

    __slots__ = ("_at_ms", "lines", "rows", "waits")

    def __init__(self, now_ms: int) -> None:
        self._at_ms = now_ms
        self.rows = float(WORK_BURST)
        self.lines = float(LINES_BURST)
        self.waits = False

    def fill(self, now_ms: int) -> None:
        since_ms, self._at_ms = now_ms - self._at_ms, now_ms
        self.rows = min(WORK_BURST, self.rows + since_ms * WORK_PER_S / 1000)
        self.lines = min(LINES_BURST, self.lines + since_ms / LINE_EVERY_MS)


def too_much(verdict: Admitted, rows: int) -> Verdict | None:
    """The verdict on a message that asks for more than one message may, by whichever way it comes; else None."""
    if rows <= WORK_OF_A_MESSAGE:
        return None
    reason = f"it asks for {rows} rows of work, and one message may ask for {WORK_OF_A_MESSAGE}"
    if verdict.envelope.volatile:
        return Quarantine(verdict.envelope.station, reason)
    return refuse(verdict.envelope, reason)


def too_early(envelope: Envelope) -> Verdict:
    """The verdict on a message that must wait."""
    if envelope.volatile:
        return Quarantine(
            envelope.station, "its station sends more than its rate, and volatile batches do not come again"
        )
    return Later(envelope.station)
