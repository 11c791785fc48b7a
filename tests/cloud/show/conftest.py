"""One flooded centre for all tests that only look at it, and a way to ask it."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud.show.flood import Centre, fill, serve

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    centre = Centre(tmp_path_factory.mktemp("centre"))
    fill(centre, hours=3)
    centre.start()
    yield centre
    centre.close()


@pytest.fixture(scope="session")
def address(flooded: Centre) -> Iterator[str]:
    with serve(flooded, heartbeat_s=1.0) as address:
        yield address


@pytest.fixture
def ask(address: str) -> Ask:
    return lambda path, **how: call(address + path, **how)


def call(url: str, *, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """GET, or POST a body as JSON; returns status and decoded answer."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data=data, headers=sent | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, text, kind = answer.status, answer.read(), answer.headers.get("content-type", "")
    except urllib.error.HTTPError as error:
        status, text, kind = error.code, error.read(), error.headers.get("content-type", "")
    return status, json.loads(text) if "json" in kind else text.decode()
