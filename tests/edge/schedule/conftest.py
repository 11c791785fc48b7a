"""Sites with a serial bus and as many instruments as a test wants."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from haihe_edge.site import Site, load_site

PROFILE = """
profile: gauge
maker: test
model: test
grade: simulated
sources: [test]
transport: modbus
units: [0, 255]
answer_ms: {typical: 20, most: 500}
blocks:
  - {table: holding, start: 0, count: 20}
points:
  - {name: distance, at: 0, as: u16, element: distance, times: 0.001}
  - {name: ph, at: 9, as: u16, element: ph, times: 0.01}
"""


@pytest.fixture
def site_text(tmp_path: Path) -> Callable[..., str]:
    """A site file's text: one instrument for each period, named a, b, c ..."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "gauge.yaml").write_text(PROFILE)

    def text(periods: Sequence[str], levels: str = "", line: str = "") -> str:
        lines = [
            'station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}',
            "journal: {directory: journal}",
            f"buses: [{{kind: serial, name: line, port: /dev/nowhere{line}}}]",
            "instruments:",
        ]
        for at, period in enumerate(periods):
            name = chr(ord("a") + at)
            series = f"[{{point: distance, at: {name}}}, {{point: ph, at: {name}}}]"
            lines.append(f"  - {{name: {name}, profile: gauge, bus: line, unit: {at + 1}, every: {period},")
            lines.append(f"     series: {series}}}")
        return "\n".join(lines) + "\n" + levels

    return text


@pytest.fixture
def site_of(tmp_path: Path, site_text: Callable[..., str]) -> Callable[..., Site]:
    """The same as a site."""

    def site(periods: Sequence[str], levels: str = "", line: str = "") -> Site:
        path = tmp_path / "site.yaml"
        path.write_text(site_text(periods, levels, line))
        return load_site(path, [tmp_path / "profiles"])

    return site
