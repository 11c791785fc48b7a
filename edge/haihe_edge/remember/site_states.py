"""What a new card would have to be told: site file, counters, tips, what links carried. As records, so that it leaves.

A restored station begins where the old one ended: ``haihe-edge init --restore``.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import Clock
from haihe_contract.restore import SITE

from haihe_edge.site import Site

COUNTER = "counter "
"""Followed by the key of the rain that is made of it."""
TIPS = "tips "
"""Followed by the name of the tipping bucket."""
BUDGET = "budget "
"""Followed by the centre that the metered link leads to."""
EVERY_MS = 300_000
PACKED_MAX = 40_000
"""Letters of a packed site file; with what stands beside it it must be a state that a centre takes (48 KiB)."""
TEXT_BYTES_MAX = 1024 * 1024


class Standing(NamedTuple):
    """What something stands at.

    Args:
        value: as it is kept beside the journal, too.
        news: what of it must differ to be worth a record.
    """

    value: msgspec.Struct
    news: object


class SiteStates:
    """What is worth a record now.

    Args:
        site: the station.
        standing: what things stand at now, by name.
        clock: for how often.
    """

    def __init__(self, site: Site, standing: Callable[[], Mapping[str, Standing]], clock: Clock) -> None:
        self._site: dict[str, Any] | None = packed(site)
        self._standing, self._clock = standing, clock
        self._said: dict[str, object] = {}
        self._said_ms: int | None = None

    def due(self, *, last: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and values that have changed: the site file at the start, the others now and then, and at the end."""
        if self._site is not None:
            yield SITE, self._site
            self._site = None
        now = self._clock.monotonic_ms()
        if not last and self._said_ms is not None and now - self._said_ms < EVERY_MS:
            return
        for name, (value, news) in self._standing().items():
            if self._said.get(name) != news:
                self._said[name] = news
                self._said_ms = now
                yield name, msgspec.to_builtins(value)


def packed(site: Site) -> dict[str, Any]:
    """The site file as the value of a state record. It holds no keys, only where they lie."""
    try:
        text = site.file.read_bytes()
    except OSError as error:
        return {"fingerprint": site.fingerprint, "why": error.strerror or str(error)}
    short = base64.b85encode(zlib.compress(text, 9)).decode("ascii")
    if len(short) > PACKED_MAX or len(text) > TEXT_BYTES_MAX:
        return {"fingerprint": site.fingerprint, "why": "the site file is too long for a record"}
    digest = hashlib.sha256(text).hexdigest()
    return {"fingerprint": site.fingerprint, "sha256": digest, "zlib_base85": short}


def unpacked(value: Mapping[str, Any]) -> bytes:
    """The site file of such a value.

    Raises:
        ValueError: when it holds none, or not the one it names.
    """
    if "why" in value:
        raise ValueError(str(value["why"]))
    opened = zlib.decompressobj()
    try:
        text = opened.decompress(base64.b85decode(str(value.get("zlib_base85", ""))), TEXT_BYTES_MAX)
    except zlib.error:
        raise ValueError("it is damaged") from None
    if opened.unconsumed_tail or hashlib.sha256(text).hexdigest() != value.get("sha256"):
        raise ValueError("it is damaged")
    return text
