import json
from pathlib import Path

import pytest

from agentflow_app.core.frontend import build, packages, sources
from agentflow_app.core.startup import StartupError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree in the place of the project's own."""
    root = tmp_path / "project"
    for name in (
        "agentflow_app/page.py",
        "rxconfig.py",
        "reflex.lock/package.json",
        "reflex.lock/package-lock.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    monkeypatch.setattr(sources, "PROJECT", root)
    return root


def test_the_same_sources_have_the_same_key_and_any_change_another(project: Path) -> None:
    first = sources.key()
    (project / "agentflow_app" / "__pycache__").mkdir()
    (project / "agentflow_app" / "__pycache__" / "page.pyc").write_text("compiled")

    assert sources.key() == first

    (project / "agentflow_app" / "page.py").write_text("changed")
    changed = sources.key()
    (project / "agentflow_app" / "page.py").rename(project / "agentflow_app" / "renamed.py")

    assert len({first, changed, sources.key()}) == 3


def test_a_build_that_is_there_is_not_made_again(project: Path, tmp_path: Path) -> None:
    place = sources.build_of(tmp_path)
    (place / "build" / "client").mkdir(parents=True)
    (place / "build" / "client" / "404.html").write_text("")
    said: list[str] = []

    assert build.ensure_built(tmp_path, said.append) == place
    assert said == []


def test_a_build_that_fails_shows_its_last_lines(project: Path, tmp_path: Path) -> None:
    (project / "reflex.lock" / "package-lock.json").write_text("not JSON")

    with pytest.raises(StartupError, match="npm could not install"):
        build.ensure_built(tmp_path, lambda _: None)


def test_only_the_last_builds_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        client = tmp_path / "frontend" / "builds" / str(number) / "build" / "client"
        client.mkdir(parents=True)
        (client / "404.html").write_text("")

    assert len(sources.superseded(tmp_path)) == 2


def test_the_lock_names_no_registry_and_settles_every_package() -> None:
    text = (sources.PROJECT / "reflex.lock" / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]

    assert (
        "http://" not in text.replace('"url": "http', "").replace('"funding"', "") or "resolved" not in text
    )
    assert '"resolved"' not in text
    assert all("integrity" in entry for name, entry in lock.items() if name)


def test_npm_answers_reflex_without_resolving_anew(tmp_path: Path) -> None:
    packages.provide_programs(tmp_path)
    npm = tmp_path / "frontend" / "bin" / "npm"

    assert npm.stat().st_mode & 0o111
    assert (tmp_path / "frontend" / "bin" / "node").exists()
