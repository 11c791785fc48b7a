"""Bytes of a batch are decoded once in a world, by the real decoder, for whoever meets them: account and followers."""

from functools import lru_cache

from haihe_cloud.ledger import follow
from haihe_contract import wire

decode = lru_cache(maxsize=4096)(wire.decode)
follow.decode = decode  # type: ignore[attr-defined]  # the log hands the same bytes to each follower
