"""`agentflow run`: a definition in the terminal, its steps live, its approvals asked here."""

import asyncio
import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from uuid6 import uuid7

from agentflow_app.core.startup import StartupError
from agentflow_app.providers import service as providers
from engine import Definition, Ended, Parked, Ports, Runner, RunSettings, TriggerInput
from engine.memory import MemoryEvents, MemoryJournal, SystemClock
from engine.ports import StepState
from engine.validation import validate

EXIT_CODES = {"completed": 0, "failed": 1, "cancelled": 130}
EXIT_WAITING = 3
_MARKS = {
    "step.started": "[blue]▸[/]",
    "step.completed": "[green]✓[/]",
    "step.failed": "[red]✗[/]",
    "step.skipped": "[dim]-[/]",
    "step.retrying": "[yellow]↻[/]",
    "step.waiting": "[yellow]…[/]",
    "step.waiting_approval": "[yellow]?[/]",
    "step.uncertain": "[yellow]![/]",
}


def run_file(path: Path, data: str) -> int:
    """Runs the file's definition and returns the exit code.

    :raises StartupError: when the file or the data cannot be used.
    """
    definition = _definition(_json(path.name, _read(path)))
    problems = [p for p in validate(definition, models=providers.model_is_known) if p.severity == "error"]
    if problems:
        found = "\n".join(f"  {p.node_id or p.edge_id or ''} {p.field or ''}: {p.message}" for p in problems)
        raise StartupError(f"{path.name} cannot run:\n{found}")
    return asyncio.run(TerminalRun(definition, _json("--data", data), Console()).run())


class TerminalRun:
    """One execution in memory, shown on a console."""

    def __init__(self, definition: Definition, data: Any, console: Console) -> None:
        self._definition = definition
        self._data = data
        self._console = console
        self._labels = {node.id: node.label or node.id for node in definition.nodes}
        self._execution_id = str(uuid7())
        self._clock = SystemClock()
        self._journal = MemoryJournal(self._execution_id, clock=self._clock, on_event=self._show)

    async def run(self) -> int:
        try:
            return await self._run()
        finally:
            await providers.close_models()

    async def _run(self) -> int:
        ports = Ports(
            journal=self._journal,
            events=MemoryEvents(self._execution_id, self._clock, None),
            models=providers.models(),
            egress=providers.egress(),
            clock=self._clock,
        )
        elapsed = 0.0
        while True:
            runner = Runner(
                self._definition,
                ports,
                execution_id=self._execution_id,
                trigger=TriggerInput("manual", data=self._data),
                settings=RunSettings(elapsed_seconds=elapsed),
            )
            outcome = await runner.run()
            elapsed = runner.elapsed_seconds
            if isinstance(outcome, Ended):
                return self._ended(outcome)
            if not isinstance(outcome, Parked) or not await self._resolve(outcome):
                return EXIT_WAITING

    def _ended(self, outcome: Ended) -> int:
        end = outcome.end
        if end.error is not None:
            self._console.print(
                f"[red]{escape(str(end.error['code']))}[/] {escape(str(end.error['message']))}"
            )
        if end.output is not None:
            self._console.print_json(json.dumps(end.output, default=str))
        return EXIT_CODES[end.status]

    async def _resolve(self, parked: Parked) -> bool:
        """Sleeps through a timer, asks for approvals. False: it waits for something that is not here."""
        asked = [step for step in self._journal.steps.values() if step.status == "waiting_approval"]
        if asked and sys.stdin.isatty():
            for step in asked:
                self._journal.signal(step.step_id, self._ask(step))
            return True
        until = parked.waiting_for.until
        if parked.waiting_for.kind == "timer" and until is not None:
            await self._clock.sleep(max(0.0, (until - self._clock.now()).total_seconds()))
            return True
        self._console.print(
            f"[yellow]It waits for {parked.waiting_for.kind}, which this terminal cannot give.[/]"
        )
        return False

    def _ask(self, step: StepState) -> Mapping[str, Any]:
        details = step.waiting_for.details if step.waiting_for else {}
        self._console.print(f"[bold]{escape(str(details.get('message') or self._labels[step.node_id]))}[/]")
        if details.get("show") is not None:
            self._console.print_json(json.dumps(details["show"], default=str))
        answer = ""
        while answer not in ("a", "r"):
            answer = self._console.input("[bold]a[/]pprove or [bold]r[/]eject? ").strip().lower()[:1]
        return {
            "kind": "approval",
            "decision": "approved" if answer == "a" else "rejected",
            "comment": self._console.input("Comment (may be empty): ").strip() or None,
            "data": None,
            "decided_by": getpass.getuser(),
        }

    def _show(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "log":
            self._console.print(f"    [dim]{escape(event['level'])} {escape(event['message'])}[/]")
        if kind not in _MARKS:
            return
        line = f"{_MARKS[kind]} {escape(self._labels.get(event['node_id'], event['node_id']))}"
        if kind == "step.completed":
            line += f" [dim]{event['duration_ms'] or 0} ms {_spent(event)}[/]"
            if isinstance(event.get("output"), dict) and event["output"].get("demo"):
                line += " [magenta]demo model[/]"
        elif event.get("error"):
            line += f" [red]{escape(str(event['error'].get('message', '')))}[/]"
        self._console.print(line.rstrip())


def _spent(event: Mapping[str, Any]) -> str:
    return f"{event['tokens_used']} tokens ${event['cost']}" if event["tokens_used"] else ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise StartupError(f"{path} cannot be read ({error.strerror}).") from error


def _json(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StartupError(f"{where} is not JSON: {error}") from error


def _definition(content: Any) -> Definition:
    if isinstance(content, dict) and "definition" in content:
        content = content["definition"]
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StartupError(f"This is not a definition: {where}: {first['msg']}") from error
