"""`make bench`: every benchmark, each against a bound of the same run. Writes results.md."""

import asyncio
import platform
from importlib.metadata import version
from pathlib import Path

import uvloop

from benchmarks import authorization, claims, engine_steps, journalled_steps, webhooks

RESULTS = Path(__file__).with_name("results.md")
PACKAGES = (
    "agentflow",
    "dramatiq",
    "fastapi",
    "granian",
    "psycopg",
    "pydantic-ai-slim",
    "reflex",
    "sqlalchemy",
)


def main() -> None:
    lines = [
        "# Measured",
        "",
        "`make bench` writes this file.",
        "",
        f"Machine: {_cores()} cores, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}.",
        "Versions: " + ", ".join(f"{name} {version(name)}" for name in PACKAGES) + ".",
        "",
        *asyncio.run(engine_steps.report()),
        "",
        *uvloop.run(journalled_steps.report()),
        "",
        *asyncio.run(claims.report()),
        "",
        *asyncio.run(authorization.report()),
        "",
        *uvloop.run(webhooks.report()),
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.write_text(text)
    print(text)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
