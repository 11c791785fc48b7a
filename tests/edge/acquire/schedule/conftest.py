"""Sites with a serial bus and as many instruments as a test wants."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from haihe_edge.site import Site, load_site

from tests.edge.site_text import HEAD, modbus_profile

PROFILE = modbus_profile("""
units: [0, 255]
answer_ms: {typical: 20, most: 500}
blocks:
  - {table: holding, start: 0, count: 20}
points:
  - {name: distance, at: 0, as: u16, element: distance, times: 0.001}
  - {name: ph, at: 9, as: u16, element: ph, times: 0.01}
""")


@pytest.fixture
def site_text(tmp_path: Path) -> Callable[..., str]:
    """A site file's text: one instrument for each period, named a, b, c ..."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "gauge.yaml").write_text(PROFILE)

    def text(periods: Sequence[str], levels: str = "", line: str = "") -> str:
        lines = [
            f"buses: [{{kind: serial, name: line, port: /dev/nowhere{line}}}]",
            "instruments:",
        ]
        for at, period in enumerate(periods):
            name = chr(ord("a") + at)
            series = f"[{{point: distance, at: {name}}}, {{point: ph, at: {name}}}]"
            lines.append(f"  - {{name: {name}, profile: gauge, bus: line, unit: {at + 1}, every: {period},")
            lines.append(f"     series: {series}}}")
        return HEAD + "\n".join(lines) + "\n" + levels

    return text


@pytest.fixture
def site_of(tmp_path: Path, site_text: Callable[..., str]) -> Callable[..., Site]:
    """The same as a site."""

    def site(periods: Sequence[str], levels: str = "", line: str = "") -> Site:
        path = tmp_path / "site.yaml"
        path.write_text(site_text(periods, levels, line))
        return load_site(path, [tmp_path / "profiles"])

    return site
