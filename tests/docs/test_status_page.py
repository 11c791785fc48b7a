"""docs/reference/status.md names every field that a running agent says, and no other."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_edge import control
from haihe_edge.site import load_site
from haihe_edge.station import run

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "status.md").read_text("utf-8")
FREE = ("buses[].detail", "troubles[].words.facts")
"""Fields whose contents the page leaves open."""

SITE = """
station: {{code: "31005650", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses:
  - {{kind: tcp, name: gateway, host: 127.0.0.1, port: {nobody}}}
  - {{kind: gnss, name: beidou, port: no-such-port}}
instruments:
  - {{name: radar, profile: geolux-lx-80, bus: gateway, unit: 1, every: 1s}}
  - {{name: meter, profile: tuf-2000m, bus: gateway, unit: 2, every: 1min, memory: true}}
journal: {{directory: journal, size: 1MiB, window: 50ms}}
control: s
centres:
  - {{name: haihe, host: 127.0.0.1, port: {nobody}, ca: {pki}/ca.pem, certificate: {pki}/stations/31005650.pem,
     key: {pki}/stations/31005650.key, receipt_key: {pki}/receipt.pub}}
"""


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Every field of the object as the page writes it."""
    if at in FREE:
        yield at
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and all(isinstance(each, dict) for each in value) and at:
        for each in value:
            yield from paths(each, at + "[]")
    else:
        yield at


def said_by_the_page() -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE))


@pytest.fixture
async def status(tmp_path: Path, pki: Pki) -> dict[str, Any]:
    """Of a real agent that has tried its instrument once, in vain."""
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(nobody=free_port(), pki=pki.directory), "utf-8")
    site = load_site(file, [ROOT / "firmware_profiles"])
    agent = asyncio.ensure_future(run(site))
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    answer = await asyncio.to_thread(control.ask, site.control, {"do": "status"})
                except control.AgentAway:
                    await asyncio.sleep(0.05)
                    continue
                if any(each["flag"] for each in answer["series"]) and answer["troubles"]:
                    return answer
                await asyncio.sleep(0.05)
    finally:
        agent.cancel()
        await agent


def test_every_field_of_a_real_status_is_on_the_page(status: dict[str, Any]) -> None:
    assert set(paths(json.loads(json.dumps(status)))) <= said_by_the_page()


def test_the_page_names_no_field_that_does_not_exist(status: dict[str, Any]) -> None:
    only_over_a_level = {"levels_reached[].series", "levels_reached[].level"}
    missing = said_by_the_page() - set(paths(status)) - only_over_a_level
    assert not missing, "the page names fields that the agent does not say"
    assert status["levels_reached"] == []
