"""What the recipes of the images promise; packaging/build_without_docker.sh builds and starts them."""

import re

import pytest

from tests.packaging.processes import ROOT

RECIPES = {"edge": ROOT / "Dockerfile.edge", "cloud": ROOT / "Dockerfile.cloud"}


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, continued lines joined, comments left out."""
    text = RECIPES[request.param].read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in text.splitlines() if line.strip()]


def said(recipe: list[tuple[str, str]], word: str) -> list[str]:
    """What follows a word, wherever it stands."""
    return [rest for first, rest in recipe if first == word]


def test_an_image_runs_as_nobody_special_and_tells_its_health(recipe: list[tuple[str, str]]) -> None:
    assert said(recipe, "USER") == ["10001"]
    assert said(recipe, "STOPSIGNAL") == ["SIGTERM"]
    assert said(recipe, "VOLUME") == ["/var/lib/haihe"]
    assert len(said(recipe, "HEALTHCHECK")) == 1
    assert "org.opencontainers.image.licenses" in " ".join(said(recipe, "LABEL"))


def test_an_image_installs_only_what_the_lock_names_by_hash(recipe: list[tuple[str, str]]) -> None:
    installs = [
        part for rest in said(recipe, "RUN") for part in rest.split("&&") if " install" in part and "pip" in part
    ]
    for part in installs:
        assert "--require-hashes" in part or "--no-deps --no-compile /wheel/*.whl" in part
        assert "--require-hashes" not in part or "--only-binary :all:" in part
    assert len(installs) == 3
    assert not said(recipe, "ADD")


def test_every_stage_begins_from_the_base_that_was_asked_for(recipe: list[tuple[str, str]]) -> None:
    assert recipe[0] == ("ARG", "BASE=debian:bookworm-slim")
    stages = {rest.split(" AS ")[1] for rest in said(recipe, "FROM")}
    for rest in said(recipe, "FROM"):
        assert rest.split()[0] in {"${BASE}", *stages}


def test_every_file_that_an_image_takes_in_is_there_and_let_through(recipe: list[tuple[str, str]]) -> None:
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    for rest in said(recipe, "COPY"):
        if rest.startswith("--from="):
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert source.split("/")[0] in let_through


def test_what_is_let_through_to_the_builder_has_no_keys_and_no_history() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert not {"!.git", "!.venv", "!.", "!var", "!packaging"} & set(lines)
