"""docs/reference/json.md names every field that the commands of the number line print."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.cli import main as cloud
from haihe_cloud.ledger.arrival import Refusal
from haihe_cloud.settings import load_settings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore
from haihe_edge.cli import main as edge
from haihe_simulators.world.run import Report
from haihe_simulators.world.tell import facts

from tests.cloud.samples import LINE, STATION, T0, batch, gap, opened
from tests.cloud.whole import Whole
from tests.edge.field.test_journal_commands import SITE, filled

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")
KEYED = {
    "held": "<centre>", "gone": "<cause>", "series": "<series>", "rows_by_day": "<day>", "met": "<fault>",
    "detail": "<fact>", "body": "<field>",
}  # fmt: skip
"""Objects whose keys are themselves facts; what stands below one of them is not compared."""

Printed = Callable[..., dict[str, Any]]


def fields(value: Any, at: str = "") -> Iterator[str]:
    """Every field of the object as the page writes it."""
    name = at.rpartition(".")[2]
    if isinstance(value, Mapping) and name in KEYED and at != "":
        if value:
            yield f"{at}.{KEYED[name]}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from fields(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for each in value:
            yield from fields(each, f"{at}[]")
    elif value not in (None, [], ()):
        yield at


def on_the_page(command: str) -> set[str]:
    (section,) = re.findall(rf"^## `{command}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    return {field for row in rows for field in re.findall(r"`([^`]+)`", row)}


def check(command: str, *said: Mapping[str, Any]) -> None:
    """All that was printed is named, and no field of the object itself is missing or made up."""
    page = on_the_page(command)
    printed = {field for each in said for field in fields(each)}
    assert not printed - page
    tops = {re.split(r"[.\[]", field)[0] for field in page}
    assert tops == {key for each in said for key in each}


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    def run(main: Callable[[list[str]], int], *words: object) -> dict[str, Any]:
        capsys.readouterr()
        main([*map(str, words), "--json"])
        said = json.loads(capsys.readouterr().out)
        assert isinstance(said, dict)
        return said

    return run


@pytest.fixture
def config(printed: Printed, tmp_path: Path) -> Path:
    """Of a centre that has gaps, troubles, a disagreement, a message in quarantine and an unknown station."""
    printed(cloud, "init", tmp_path / "box")
    path = tmp_path / "box" / "haihe-cloud.yaml"
    data = Path(load_settings(path).data)
    whole = Whole(SqliteDatabase(data / "haihe.db"), SqliteStore(data / "series.db"))
    whole.send(batch([1, 2, 3, 4, 5, 6, 12], head=30, bodies={12: gap(LINE, (7, 9), cause="no_space")}))
    whole.send(batch([1, 2], line=99, bodies={1: opened(LINE, 6)}, head=2), received_ms=T0 + 1)
    whole.ledger.quarantine([Refusal("haihe/1/6c/31005650/up/live", STATION, "does not begin like a batch", b"x", T0)])
    whole.store.close()
    whole.database.close()
    with closing(sqlite3.connect(data / "series.db")) as raw, raw:
        raw.execute("DELETE FROM reading WHERE number=5")
    return path


def test_every_field_that_a_command_of_the_centre_prints_is_on_the_page(printed: Printed, config: Path) -> None:
    ours = ("--config", config)
    day = ("--day", "2026-09-21")
    check(
        "haihe-cloud ledger show",
        printed(cloud, "ledger", "show", *day, *ours),
        printed(cloud, "ledger", "show", STATION, *day, *ours),
    )
    check("haihe-cloud ledger gaps", printed(cloud, "ledger", "gaps", *ours))
    audited = printed(cloud, "ledger", "audit", *ours)
    assert audited["disagreements"]
    check("haihe-cloud ledger audit", audited)
    check("haihe-cloud quarantine list", printed(cloud, "quarantine", "list", *ours))
    check("haihe-cloud station list", printed(cloud, "station", "list", *ours))
    check("haihe-cloud backup", printed(cloud, "backup", config.parent / "saved", *ours))


def test_every_field_that_a_look_into_the_journal_prints_is_on_the_page(printed: Printed, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE, "utf-8")
    filled(tmp_path / "journal")
    (tmp_path / "journal" / "00000009-aaaaaaaaaaaaaaaa-1.journal").touch()
    check("haihe-edge journal stats", printed(edge, "journal", "stats", site))
    check("haihe-edge journal show", printed(edge, "journal", "show", site))


def test_every_field_that_the_world_prints_is_on_the_page() -> None:
    check("haihe-sim world", facts(Report(1, 10, 2.0, {"loss": 1}, ["delay"], [])))
