"""The browser that the tests drive: found, or installed where that is possible."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "The browser tests need Chromium: apt install chromium, or python -m playwright install chromium"


def find_chromium() -> Path | None:
    for name in _NAMES:
        if path := shutil.which(name):
            return Path(path)
    downloads = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = sorted(downloads.glob("chromium-*/chrome-linux*/chrome"))
    return found[-1] if found else None


def ensure_chromium() -> Path:
    """The browser's program, installed with apt or by Playwright where it is missing."""
    if path := find_chromium():
        return path
    for commands in _installers():
        print(f"Installing Chromium: {' '.join(commands[-1])}", flush=True)  # noqa: T201
        done = all(subprocess.run(command, check=False).returncode == 0 for command in commands)
        if done and (path := find_chromium()):
            return path
    sys.exit(MISSING)


def _installers() -> list[list[list[str]]]:
    by_playwright = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") is None:
        return [by_playwright]
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    install = [*prefix, "apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
    by_apt = [[*prefix, "apt-get", "update", "-q"], install]
    return [by_apt, by_playwright] if not prefix or shutil.which("sudo") else [by_playwright]
