"""How one point depends on others: conditions, factors and units from another register, marks of quality.

What a rule sees of another point is its value: raw number * times + plus of that point, nothing more.
"""

from typing import Annotated, Literal

import msgspec

from .header import Name, Sentinel

Bit = Annotated[int, msgspec.Meta(ge=0, le=63)]
Word = int | float | str


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something about another point. All that is written must hold.

    Args:
        point: which one.
        is_one_of: it has one of these values; written ``is``.
        is_none_of: it has none of these values; written ``is_not``.
        bit: this bit of it is set, 0 being the lowest.
        low: it is at least this.
        high: it is at most this.
        matches: its text fits this regular expression, from its beginning.
    """

    point: Name
    is_one_of: tuple[Word, ...] = msgspec.field(name="is", default=())
    is_none_of: tuple[Word, ...] = msgspec.field(name="is_not", default=())
    bit: Bit | None = None
    low: float | None = None
    high: float | None = None
    matches: str | None = None


class ScaleFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A factor that stands in another register. Left as it is, the factor is that point's value.

    Args:
        point: where it stands.
        power: the point says n, the factor is 10 to the power of n (1) or of -n (-1).
        shift: added to the exponent: -3 for 10^(n-3).
        table: the factor by the point's value; another value makes the reading missing.
    """

    point: Name
    power: Literal[1, -1] | None = None
    shift: Annotated[int, msgspec.Meta(ge=-12, le=12)] = 0
    table: dict[int, float] = msgspec.field(default_factory=dict)


class InUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a unit code means: element value = number * times + plus.

    Args:
        unit: as the maker calls it.
        times: to the element's unit.
        plus: added after the factor.
        sentinels: numbers that mean "no measurement" in this unit only.
    """

    unit: str
    times: float = 1.0
    plus: float = 0.0
    sentinels: tuple[Sentinel, ...] = ()


class UnitFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The unit that was chosen at the instrument. With a code that the table lacks nothing is published.

    Args:
        point: where the code stands.
        table: what the codes mean.
    """

    point: Name
    table: Annotated[dict[int, InUnit], msgspec.Meta(min_length=1)]


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What another point says about how good this one is: a status, or a figure of merit.

    Args:
        point: which one.
        is_one_of: the mark is due when it has one of these values; written ``is``.
        is_none_of: the mark is due when it has none of these values; written ``is_not``.
        bit: the mark is due when this bit is set.
        best: the best figure, for a figure of merit.
        worst: the worst figure; may be the larger one.
        doubtful_from: from here towards the worst the value is doubtful.
        missing_from: from here towards the worst there is no value.
        mark: doubtful, missing, or only a note: some status bits are known to be wrong.
        why: what it means.
    """

    point: Name
    is_one_of: tuple[int, ...] = msgspec.field(name="is", default=())
    is_none_of: tuple[int, ...] = msgspec.field(name="is_not", default=())
    bit: Bit | None = None
    best: float | None = None
    worst: float | None = None
    doubtful_from: float | None = None
    missing_from: float | None = None
    mark: Literal["doubtful", "missing", "note"] = "doubtful"
    why: str = ""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that only the station knows: a span, a height. The site file says it under ``parameters``.

    Args:
        name: ours.
        why: what it is, with its unit.
        default: used when the site says none; without one the site must.
        low: smallest allowed.
        high: largest allowed.
    """

    name: Name
    why: str
    default: float | None = None
    low: float | None = None
    high: float | None = None


class FromParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which numbers of a point are parameters of the station.

    Args:
        times: the point's ``times`` is multiplied by it.
        plus: it is added to the point's ``plus``.
        low: it takes the place of ``low``.
        high: it takes the place of ``high``.
    """

    times: Name | None = None
    plus: Name | None = None
    low: Name | None = None
    high: Name | None = None
