"""A real InfluxDB for the dashboards' queries, where one is installed."""

from collections.abc import Iterator

import pytest

from tests.influx import Influx, NoInflux


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    try:
        server = Influx(tmp_path_factory.mktemp("influx"))
    except NoInflux as why:
        pytest.skip(str(why))
    yield server
    server.stop()
