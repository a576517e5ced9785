"""What the auditors' answers come to, and the bills of materials."""

import json
from pathlib import Path
from typing import Any

import pytest

from supply_chain import audit, sbom

ROOT = Path(__file__).parents[2]
FAULT = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI"}


def test_only_what_the_service_knew_counts_as_checked() -> None:
    report = {"dependencies": [{"name": "a", "version": "1.0", "vulns": [FAULT]}, UNKNOWN]}
    found = audit.of_pip_audit(report)
    assert (found.checked, found.faults) == (1, ["a 1.0: PYSEC-2026-1 (fixed: 2.0)"])


def test_npm_without_an_answer_has_checked_nothing() -> None:
    assert audit.of_npm_audit({"message": "405 Method Not Allowed"}).checked == 0
    answer = {
        "metadata": {"dependencies": {"total": 7}},
        "vulnerabilities": {"left": {"range": "<2", "severity": "high"}},
    }
    found = audit.of_npm_audit(answer)
    assert (found.checked, found.faults) == (7, ["left <2: high"])


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ({"dependencies": [UNKNOWN]}, 0, "nothing was checked"),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0, "no known fault in 1"),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": [FAULT]}]}, 1, "PYSEC-2026-1"),
    ],
)
def test_a_known_fault_fails_and_silence_is_told(
    report: dict[str, Any],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(audit, "_pip_audit", lambda: report)
    monkeypatch.setattr(audit, "_npm_audit", dict)
    assert audit.run() == code
    assert said in capsys.readouterr().out


def test_the_bills_name_every_locked_package(tmp_path: Path) -> None:
    assert sbom.write(tmp_path) == 0
    npm = json.loads((tmp_path / "npm.cdx.json").read_text())
    locked = json.loads((ROOT / "reflex.lock" / "package-lock.json").read_text())["packages"]
    urls = {each["purl"] for each in npm["components"]}
    named = {(path.rpartition("node_modules/")[2], each["version"]) for path, each in locked.items() if path}
    assert len(urls) == len(named)
    python = json.loads((tmp_path / "python.cdx.json").read_text())
    assert {"reflex", "pydantic-ai-slim", "cryptography"} <= {each["name"] for each in python["components"]}
