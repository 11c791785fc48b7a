"""Reading the ledger's book: for people, for the figures of a day and for the audit. Nothing here writes."""

from collections.abc import Iterable

from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading
from haihe_contract.unfold import extremes

from haihe_cloud.database import Connection, Database
from haihe_cloud.limits import LINES_SHOWN

from . import acknowledged, contents, missing, tally, told, troubles
from .arrival import LineState
from .ledger import Ledger
from .sheet import Sheet


class Book:
    """What the ledger has kept besides its ranges.

    Args:
        database: where it lives.
        ledger: of the same database.
    """

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def lines(self, station: str, most: int = LINES_SHOWN) -> list[LineState]:
        """See :meth:`Ledger.lines`."""
        return self._ledger.lines(station, most)

    def all_lines(self, station: str) -> list[LineState]:
        """Every line of a station, in the same order: what is counted must not end where a list does."""
        return self._ledger.lines(station, told.ALL_LINES)

    def dictionary(self, station: str, line: int) -> list[str] | None:
        """See :meth:`Ledger.dictionary`."""
        return self._ledger.dictionary(station, line)

    def held(self, station: str, line: int) -> RangeSet:
        """See :meth:`Ledger.held`."""
        return self._ledger.held(station, line)

    def fix_of_line(self, station: str, line: int) -> told.Fix | None:
        """See :meth:`Ledger.fix_of_line`."""
        return self._ledger.fix_of_line(station, line)

    def last_heard(self, station: str) -> int | None:
        """When the newest word of a station came, None for never."""
        row = self._connection.execute("SELECT received_ms FROM heard WHERE station=?", (station,)).fetchone()
        return int(row[0]) if row else None

    def troubles(self, station: str | None = None) -> list[missing.Trouble]:
        """What must not be about the numbers of one station or of all, the latest first."""
        return troubles.found(self._connection, station)

    def acknowledged(self, station: str | None = None) -> acknowledged.Noted:
        """What people have taken note of, of one station or of all."""
        return acknowledged.noted(self._connection, station)

    def missing_ranges(self, station: str) -> list[missing.MissingRange]:
        """Every number of a station that is missing, line by line, the line heard last first."""
        named = told.gaps(self._connection, station)
        return [each for line in self.all_lines(station) for each in missing.missing_ranges(line, named)]

    def missing_since(self, station: str, line: int, number: int) -> int | None:
        """The hour (ms UTC) of the last readings of the line below a number, None without any."""
        hour = tally.hour_below(self._connection, station, line, number)
        return None if hour is None else hour * tally.HOUR_MS

    def told_gaps(self, station: str) -> list[told.ToldGap]:
        """What a station's records call missing, in the order of time."""
        return told.gaps(self._connection, station)

    def openings(self, station: str) -> dict[int, told.Opening]:
        """Every opening that is known of a station, by its line."""
        return told.openings(self._connection, station)

    def duties(self, station: str) -> dict[int, list[int]]:
        """Periods in milliseconds by series number, for each line that has said so."""
        return told.duties(self._connection, station)

    def fixes(self, station: str) -> list[told.Fix]:
        """Every time-fix of a station, the latest first."""
        return told.fixes(self._connection, station)

    def summaries(
        self, station: str, series: str | None, start_ms: int, end_ms: int, most: int = 1000
    ) -> list[told.KeptSummary]:
        """What is left of blocks that were thinned and touch start <= time < end, in the order of time."""
        return told.summaries(self._connection, station, series, start_ms, end_ms, most)

    def content_conflicts(self, station: str | None, most: int = 200) -> list[contents.ContentConflict]:
        """Further contents of numbers, the latest first."""
        return contents.conflicts(self._connection, station, most)

    # --- the figures of a day ------------------------------------------------------------------------------

    def hours(self, station: str, first: int, last: int) -> list[tally.Hour]:
        """The hours first..last of a station (since 1970), ascending."""
        return tally.hours(self._connection, station, first, last)

    def hours_of_line(self, station: str, line: int) -> Iterable[tally.Hour]:
        """Every hour of a line, ascending."""
        return tally.of_line(self._connection, station, line)

    def first_ms(self, station: str, line: int) -> int | None:
        """The second (ms UTC) of the earliest reading of a line, None without any."""
        return tally.first_ms(self._connection, station, line)

    def last_reading_ms(self, station: str, until_ms: int) -> int | None:
        """The second (ms UTC) of the latest reading of a station up to that time's hour, None without any."""
        return tally.last_ms(self._connection, station, until_ms)

    def has_hour(self, station: str, line: int, hour: int) -> bool:
        """Whether a line has readings of that hour."""
        return any(each.line == line for each in self.hours(station, hour, hour))

    def number_before(self, station: str, line: int, hour: int) -> int:
        """The highest number of the last hour before this one that the line has, 0 without any."""
        return tally.before(self._connection, station, line, hour)

    def number_after(self, station: str, line: int, hour: int) -> int | None:
        """The lowest number of the next hour after this one that the line has, None without any."""
        return tally.after(self._connection, station, line, hour)

    # --- the audit -----------------------------------------------------------------------------------------

    def contents(self, station: str, line: int) -> contents.Blocks:
        """The digests of what the records of a line say."""
        return contents.Blocks(Sheet(self._connection, contents.CONTENT), station, line)

    def contested(self, station: str, line: int) -> RangeSet:
        """Numbers of a line that have come with several contents."""
        return contents.contested(self._connection, station, line)

    def content_blocks(self, station: str, line: int) -> Iterable[tuple[int, bytes]]:
        """All digests of a line, block by block."""
        return contents.blocks(self._connection, station, line)

    def volatile_lines(self, station: str) -> set[int]:
        """Lines that were never durable at the station; no ledger is kept of them."""
        return told.volatile_lines(self._connection, station)

    def summary_numbers(self, station: str, line: int) -> RangeSet:
        """Numbers of a line that are summaries with extremes."""
        return told.summary_numbers(self._connection, station, line)

    def extremes(self, station: str, line: int, number: int) -> set[Reading]:
        """The readings that a summary has kept, as far as their time is known."""
        kept = told.summaries_of_record(self._connection, station, line, number)
        return {row for each in kept for row in extremes(each.summary, line, number)}

    @property
    def _connection(self) -> Connection:
        return self._database.connection()
