"""Runs agent definitions. A library: it knows no database, no queue and no web.

result = await engine.run(definition, {"message": "hi"})
"""

from engine.context import Context, TriggerInput
from engine.definition import Definition, Edge, Node
from engine.errors import EngineError
from engine.identifiers import rename_node
from engine.library import RunResult, run
from engine.outcome import Ended, Outcome, Parked, Released
from engine.ports import Ports
from engine.problems import Problem
from engine.runner import Runner
from engine.settings import DryRun, RunSettings
from engine.validation import validate

__all__ = [
    "Context",
    "Definition",
    "DryRun",
    "Edge",
    "Ended",
    "EngineError",
    "Node",
    "Outcome",
    "Parked",
    "Ports",
    "Problem",
    "Released",
    "RunResult",
    "RunSettings",
    "Runner",
    "TriggerInput",
    "rename_node",
    "run",
    "validate",
]
