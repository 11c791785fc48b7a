"""Readings that are still in a station's journal, read from its files after the agent has stopped."""

from pathlib import Path

from haihe_contract.quality import PASS_MARK, Flag, unmark
from haihe_contract.record import Readings
from haihe_edge.journal import Folder
from haihe_edge.journal.segment import SUFFIX, Segment, SegmentDamaged

from .balance import Row

_FILE_BYTES_MAX = 1 << 30


def still_in(directory: Path) -> dict[str, list[Row]]:
    """Every reading with a value that the journal's files hold, by series."""
    found: dict[str, list[Row]] = {}
    folder = Folder(directory)
    for name in folder.names() if directory.is_dir() else ():
        if not name.endswith(SUFFIX):
            continue
        try:
            segment = Segment(folder, name)
            records = segment.read(segment.numbers, _FILE_BYTES_MAX)
        except (SegmentDamaged, OSError):
            continue  # what cannot be read is not still there
        for record in records:
            body = record.body
            if not isinstance(body, Readings) or segment.dictionary is None:
                continue
            marks = body.marks or [PASS_MARK] * len(body.series)
            for series, value, packed in zip(body.series, body.values, marks, strict=True):
                if value is not None and unmark(packed)[0] is not Flag.MISSING:
                    row = Row(body.time_ms, value, segment.line, record.number, waiting=True)
                    found.setdefault(segment.dictionary.series[series], []).append(row)
    return found
