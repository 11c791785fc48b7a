"""What people have taken note of: troubles with a station's numbers and losses, with who, when and why.

Troubles and losses are found anew each time and never go away by themselves; an acknowledgement names those that are
known at its moment, so that what comes later stands out. Nothing is deleted by it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from haihe_contract.errors import FieldError
from haihe_contract.ranges import EMPTY, RangeSet

from haihe_cloud.database import Connection, Database, insert_all
from haihe_cloud.limits import CONFLICTS_PER_STATION, WHO_CHARACTERS, WHY_CHARACTERS

from .arrival import LineState
from .missing import TWO_CONTENTS, Trouble
from .packed import line_of, line_text, pack, unpack

_Key = tuple[str, str, str, int, str]


class Acknowledgement(NamedTuple):
    """Somebody has taken note.

    Args:
        id: number of it.
        station: whose numbers.
        who: the name that was given.
        time_ms: when, by the centre's clock.
        why: why it may stand, or empty.
    """

    id: int
    station: str
    who: str
    time_ms: int
    why: str


class Noted(NamedTuple):
    """What has been acknowledged of one station or of all.

    Args:
        by: the acknowledgements, the latest first.
        troubles: which of them covers a trouble.
        losses: numbers of (station, line) that were lost then.
    """

    by: list[Acknowledgement]
    troubles: dict[_Key, Acknowledgement]
    losses: dict[tuple[str, int], RangeSet]

    def of(self, trouble: Trouble) -> Acknowledgement | None:
        """Who has taken note of a trouble."""
        return self.troubles.get(_key(trouble))

    def lost(self, station: str, line: int) -> RangeSet:
        """Numbers of a line whose loss is acknowledged."""
        return self.losses.get((station, line), EMPTY)


class Taken(NamedTuple):
    """What an acknowledgement has taken note of.

    Args:
        by: itself.
        troubles: of which nobody had before.
        lost: numbers by line, likewise.
    """

    by: Acknowledgement
    troubles: list[Trouble]
    lost: dict[int, RangeSet]


def noted(connection: Connection, station: str | None) -> Noted:
    """What has been acknowledged of one station or of all."""
    where, facts = (" WHERE station=?", [station]) if station is not None else ("", [])
    troubles = connection.execute(
        f"SELECT station, kind, line, number, mark, acknowledgement FROM acknowledged_trouble{where}",  # noqa: S608
        facts,
    ).fetchall()
    losses: dict[tuple[str, int], RangeSet] = {}
    for code, text, ranges in connection.execute(
        f"SELECT station, line, ranges FROM acknowledged_loss{where}",  # noqa: S608
        facts,
    ):
        place = code, line_of(text)
        losses[place] = losses.get(place, EMPTY) | unpack(ranges)
    rows = connection.execute(  # last, so that every one that is named above is among them
        f"SELECT id, station, who, time_ms, why FROM acknowledgement{where} ORDER BY id DESC",  # noqa: S608
        facts,
    )
    by = {row[0]: Acknowledgement(*row) for row in rows}
    return Noted(list(by.values()), {row[:5]: by[row[5]] for row in troubles}, losses)


def acknowledge(
    database: Database,
    station: str,
    troubles: Iterable[Trouble],
    lines: Iterable[LineState],
    *,
    who: str,
    why: str,
    now_ms: int,
) -> Taken | None:
    """Take note of these troubles of a station and of what is lost on these lines, as far as nobody has.

    Numbers with two contents are left out where as many are known as are kept: what comes next would leave no trace,
    and nobody could tell it from what is acknowledged.

    Returns:
        What was taken note of; None when all of it was already.

    Raises:
        FieldError: when nobody is named, or the words are too many.
    """
    who, why = who.strip(), why.strip()
    if not who:
        raise FieldError("nobody is named", where="--who", do="say who takes note")
    if len(who) > WHO_CHARACTERS or len(why) > WHY_CHARACTERS:
        raise FieldError(
            f"a name has at most {WHO_CHARACTERS} characters and a reason {WHY_CHARACTERS}",
            where="--who, --why",
            do="write less",
        )
    troubles = list(troubles)
    if sum(each.kind == TWO_CONTENTS for each in troubles) >= CONFLICTS_PER_STATION:
        troubles = [each for each in troubles if each.kind != TWO_CONTENTS]
    with database.transaction() as connection:
        known = noted(connection, station)
        new = [each for each in troubles if known.of(each) is None]
        found = ((each.line, each.lost - known.lost(station, each.line)) for each in lines)
        lost = {line: numbers for line, numbers in found if numbers}
        if not new and not lost:
            return None
        (number,) = connection.execute(
            "INSERT INTO acknowledgement(station, who, time_ms, why) VALUES(?, ?, ?, ?) RETURNING id",
            (station, who, now_ms, why),
        ).fetchone()
        keys = dict.fromkeys(map(_key, new))
        insert_all(connection, "INSERT INTO acknowledged_trouble VALUES {}", [(*key, number) for key in keys])
        insert_all(
            connection,
            "INSERT INTO acknowledged_loss VALUES {}",
            [(station, line_text(line), number, pack(numbers)) for line, numbers in lost.items()],
        )
    return Taken(Acknowledgement(number, station, who, now_ms, why), new, lost)


def _key(trouble: Trouble) -> _Key:
    return (trouble.station, trouble.kind, line_text(trouble.line), trouble.number, trouble.mark)
