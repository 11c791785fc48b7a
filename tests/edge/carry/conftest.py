"""A station whose agent is dead, a stick, and the command that carries its card out."""

import os
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_edge.cli import main

from tests.edge.carry.carried import Bundle, printed, site_in
from tests.edge.station.test_cli import environment


@pytest.fixture
def site(tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAIHE_PROFILES", environment()["HAIHE_PROFILES"])
    return site_in(tmp_path / "station", pki, budget="200MB/month")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def bundle(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setattr(os, "nice", lambda _more: 0)  # the tests that follow are no background work

    def act(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["bundle", *map(str, words), "--json", "--lang", "en"])
        return code, printed(capsys.readouterr().out)

    return act
