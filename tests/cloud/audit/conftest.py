"""The stores an audit reads."""

from tests.cloud.store.conftest import open_store, station, store

__all__ = ["open_store", "station", "store"]
