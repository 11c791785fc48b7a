"""The stores under test: SQLite always, InfluxDB where it is installed."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from haihe_cloud.store.port import Store
from haihe_cloud.store.sqlite import SqliteStore

from tests.influx import ORG, Influx


@pytest.fixture(scope="session", params=["sqlite", pytest.param("influx", marks=pytest.mark.influx)])
def open_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Opens the same store again and again, as a restarted centre does."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("sqlite") / "series.db"
        return lambda: SqliteStore(path, patience_s=0.2)
    from haihe_cloud.store.influx import InfluxStore

    server: Influx = request.getfixturevalue("influx")
    bucket = server.bucket("promises")
    return lambda: InfluxStore(server.url, server.token, ORG, bucket, timeout_s=10)


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


_count = itertools.count(1)


@pytest.fixture
def station() -> str:
    """A station nobody wrote before."""
    return f"promise{next(_count)}"
