"""Runs and steps as the pages show them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import parse_id
from agentflow_app.executions.schemas import ENDED, ExecutionOut, LogOut, StepOut
from agentflow_app.ui.figures import cost, duration, facts, moment, tokens
from agentflow_app.ui.theme import STATUS_LABELS

TRIGGER_LABELS = {
    "manual": "By hand",
    "api": "API",
    "webhook": "Webhook",
    "schedule": "Schedule",
    "test": "Test",
    "replay": "Replay",
    "agent": "Agent",
    "error": "Error",
    "chat": "Chat",
    "form": "Form",
}
WAIT_LABELS = {
    "approval": "Waits for an approval",
    "input": "Waits for input",
    "timer": "Waits for its timer",
    "webhook": "Waits for a call",
    "child": "Waits for another run",
    "budget": "Stopped at its budget",
    "uncertain": "Waits for someone to settle a step",
}


@dataclass
class RunRow:
    """A run in a list."""

    id: str = ""
    agent_id: str = ""
    agent_name: str = ""
    version: str = ""
    status: str = ""
    trigger: str = ""
    started: str = ""
    duration: str = ""
    cost: str = ""
    tokens: str = ""
    dry_run: bool = False
    demo: bool = False
    error: str = ""
    ended: bool = False
    waiting: str = ""
    resumable: bool = False
    replay_of: str = ""
    parent_id: str = ""


@dataclass
class StepRow:
    """A step in a waterfall: `left` and `width` are percent of the run's time."""

    id: str = ""
    node_id: str = ""
    label: str = ""
    type: str = ""
    icon: str = ""
    status: str = ""
    attempts: int = 1
    duration: str = ""
    tokens: str = ""
    cost: str = ""
    left: str = "0%"
    width: str = "0%"
    demo: bool = False
    waits_for_me: bool = False


@dataclass
class StepDetail:
    """The step that is looked at."""

    id: str = ""
    node_id: str = ""
    label: str = ""
    kind: str = ""
    status: str = ""
    facts: str = ""
    demo: bool = False
    input: Any = None
    output: Any = None
    has_output: bool = False
    part_of_input: bool = False
    part_of_output: bool = False
    """Whether what is here is only the beginning."""
    text: str = ""
    error_code: str = ""
    error_message: str = ""
    error_details: Any = None
    approval: str = ""
    show: Any = None
    editable: bool = False
    draft: str = ""
    asks: str = ""
    called_run: str = ""
    """The id of the run that it called."""


@dataclass
class RunData:
    """What a run was given and what it came to."""

    trigger: Any = None
    output: Any = None
    has_output: bool = False
    part_of_trigger: bool = False
    part_of_output: bool = False


@dataclass
class LogRow:
    time: str = ""
    level: str = ""
    message: str = ""
    data: str = ""


@dataclass
class NodeNames:
    """What the definition calls its nodes."""

    labels: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    subtypes: dict[str, str] = field(default_factory=dict)


def run_row(run: ExecutionOut) -> RunRow:
    kind = (run.waiting_for or {}).get("kind", "")
    return RunRow(
        id=str(run.id),
        agent_id=str(run.agent_id),
        agent_name=run.agent_name,
        version=f"v{run.agent_version}" if run.agent_version else "draft",
        status=run.status,
        trigger=TRIGGER_LABELS.get(run.triggered_by, run.triggered_by),
        started=moment(run.started_at or run.created_at),
        duration=duration(run.duration_ms),
        cost=cost(run.total_cost),
        tokens=tokens(run.total_tokens),
        dry_run=run.dry_run,
        error=(run.error or {}).get("message", ""),
        ended=run.status in ENDED,
        waiting=WAIT_LABELS.get(kind, "") if run.status == "waiting" else "",
        resumable=run.status in ("failed", "cancelled") or (run.status == "waiting" and kind == "budget"),
        replay_of=str(run.replay_of or ""),
        parent_id=str(run.parent_id or ""),
    )


def is_demo(output: Any) -> bool:
    return isinstance(output, dict) and output.get("demo") is True


def main_text(output: Any) -> str:
    """The text that a step is about, for a first look; empty where it has none."""
    if not isinstance(output, dict):
        return ""
    for key in ("text", "label", "message"):
        if isinstance(output.get(key), str):
            return str(output[key])
    return ""


def node_run(status: str, *, ms: int | None, used: int, spent: Any, text: str, demo: bool) -> dict[str, Any]:
    """What a node's card shows of the run on the screen."""
    return {
        "status": status,
        "label": STATUS_LABELS.get(status, status).capitalize(),
        "facts": facts(duration(ms), tokens(used), cost(spent)),
        "text": text[-400:],
        "demo": demo,
    }


def step_rows(steps: list[StepOut], names: NodeNames, now: datetime | None = None) -> list[StepRow]:
    """The waterfall, in the order in which the steps began."""
    now = now or datetime.now(UTC)
    begun = [step.started_at for step in steps if step.started_at]
    first = min(begun, default=now)
    last = max([step.completed_at or (now if step.started_at else first) for step in steps], default=now)
    span = max((last - first).total_seconds(), 0.001)
    rows = []
    for step in sorted(steps, key=lambda s: (s.started_at or last, s.step_order)):
        left = (step.started_at - first).total_seconds() / span if step.started_at else 0.0
        open_end = step.completed_at or (now if step.started_at and step.status != "skipped" else None)
        width = (open_end - step.started_at).total_seconds() / span if open_end and step.started_at else 0.0
        node_type, _, icon = names.kinds.get(step.node_id, ("", "", ""))
        rows.append(
            StepRow(
                id=str(step.id),
                node_id=step.node_id,
                label=label_of(step, names),
                type=node_type,
                icon=icon,
                status=step.status,
                attempts=step.attempts,
                duration=duration(step.duration_ms),
                tokens=tokens(step.tokens_used),
                cost=cost(step.cost),
                left=f"{min(left * 100, 99):.2f}%",
                width=f"max({min(width, 1 - left) * 100:.2f}%, 3px)"
                if width or step.duration_ms is not None
                else "0px",
                demo=is_demo(step.output_data),
                waits_for_me=step.status == "waiting_approval",
            )
        )
    return rows


def label_of(step: StepOut, names: NodeNames) -> str:
    label = names.labels.get(step.node_id, step.node_id)
    return f"{label} [{', '.join(map(str, step.iteration))}]" if step.iteration else label


def as_text(value: Any) -> str:
    """What a person edits: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def from_text(text: str, original: Any) -> Any:
    """What an edited text stands for, of the kind that `original` was. Raises ValidationFailed."""
    if isinstance(original, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValidationFailed(f"This is not JSON: {error}", fields={"data": str(error)}) from error


def step_detail(step: StepOut, names: NodeNames) -> StepDetail:
    waiting = step.waiting_for or {}
    attempts = f"{step.attempts} attempts" if step.attempts > 1 else ""
    error = step.error or {}
    return StepDetail(
        id=str(step.id),
        node_id=step.node_id,
        label=label_of(step, names),
        kind=names.kinds.get(step.node_id, ("", "", ""))[1],
        status=step.status,
        facts=facts(duration(step.duration_ms), tokens(step.tokens_used), cost(step.cost), attempts),
        demo=is_demo(step.output_data),
        input=step.input_data,
        output=step.output_data,
        has_output=step.output_data is not None,
        part_of_input=step.input_ref is not None,
        part_of_output=step.output_ref is not None,
        text=main_text(step.output_data),
        error_code=str(error.get("code", "")),
        error_message=str(error.get("message", "")),
        error_details=error.get("details") or None,
        approval=str(waiting.get("message", "")) if step.status == "waiting_approval" else "",
        show=waiting.get("show") if step.status == "waiting_approval" else None,
        editable=step.status == "waiting_approval" and bool(waiting.get("editable")),
        draft=as_text(waiting.get("show")),
        asks=_asks(waiting) if step.status == "waiting" else "",
        called_run=called_run(step) if names.subtypes.get(step.node_id) == "run_agent" else "",
    )


def called_run(step: StepOut) -> str:
    """Whichever of its parts says it: what it waits for, what came of it, or why it failed."""
    for told in (step.waiting_for, step.output_data, (step.error or {}).get("details")):
        found = parse_id(str(told.get("execution_id"))) if isinstance(told, dict) else None
        if found is not None:
            return str(found)
    return ""


def _asks(waiting: dict[str, Any]) -> str:
    """What a step that stands still waits for, in words: a form's question, or the address to call."""
    if waiting.get("kind") == "input":
        return str(waiting.get("message", ""))
    return f"POST {waiting['resume_url']}" if "resume_url" in waiting else ""


def log_row(entry: LogOut) -> LogRow:
    data = ", ".join(f"{key}: {value}" for key, value in (entry.data or {}).items())
    when = entry.created_at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
    return LogRow(time=when, level=entry.level, message=entry.message, data=data)


def names_of(definition: dict[str, Any], catalog: list[dict[str, Any]]) -> NodeNames:
    kinds = {(entry["type"], entry["subtype"]): entry for entry in catalog}
    names = NodeNames()
    for node in definition.get("nodes", []):
        entry = kinds.get((node["type"], node["subtype"]), {})
        kind = entry.get("label", f"{node['type']}.{node['subtype']}")
        names.labels[node["id"]] = node.get("label") or kind
        names.kinds[node["id"]] = (node["type"], kind, entry.get("icon", ""))
        names.subtypes[node["id"]] = node["subtype"]
    return names
