"""Loads every feature's tables, so that the metadata is whole."""

from importlib import import_module
from pathlib import Path


def load_models() -> None:
    root = Path(__file__).parent
    for file in sorted(root.glob("*/models.py")):
        import_module(f"agentflow_app.{file.parent.name}.models")
