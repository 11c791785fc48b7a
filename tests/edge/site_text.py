"""What every site file and every Modbus profile of these tests begins with."""

from pathlib import Path

STATION = 'station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}\n'
HEAD = STATION + "journal: {directory: journal}\n"


def write_site(folder: Path, rest: str) -> Path:
    """A site file in that folder: the head, then what the test says."""
    path = folder / "site.yaml"
    path.write_text(HEAD + rest)
    return path


def modbus_profile(rest: str, name: str = "gauge") -> str:
    """A profile's text: who made it, then what the test says."""
    return f"""
profile: {name}
maker: test
model: test
grade: simulated
sources: [test]
transport: modbus
{rest.lstrip()}"""
