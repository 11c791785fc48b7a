"""Bytes of a batch are decoded once in a world, by the real decoder, for whoever meets them.

Those are the account, the workers of both centres and their followers: the decoder is pure, and nobody changes what
it returns.
"""

from functools import lru_cache

from haihe_cloud.ingest import admit
from haihe_cloud.ledger import follow
from haihe_contract import wire

_read_envelope = lru_cache(maxsize=4096)(wire.read_envelope)
_open_batch = lru_cache(maxsize=4096)(wire.open_batch)


@lru_cache(maxsize=4096)
def decode(data: bytes) -> wire.Batch:
    """Envelope and body at once.

    Raises:
        WireError: when it is no batch.
    """
    return _open_batch(_read_envelope(data))


def forget() -> None:
    """Let go of a world's batches."""
    for each in (decode, _read_envelope, _open_batch):
        each.cache_clear()


admit.read_envelope = _read_envelope  # type: ignore[attr-defined]  # what a worker judges, the account has seen sent
admit.open_batch = _open_batch  # type: ignore[attr-defined]
follow.decode = decode  # type: ignore[attr-defined]  # the log hands the same bytes to each follower
