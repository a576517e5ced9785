"""Two runs side by side, as their page shows them: a row for each step, and values line by line."""

import json
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from agentflow_app.executions.schemas import ComparisonOut, StepDifference, StepOut
from agentflow_app.ui.executions.view import NodeNames, label_of
from agentflow_app.ui.figures import cost, duration, facts

LINES = 1000
"""Of each of two values, compared at most: more is not read, and would be slow."""
LINE = 2000
"""Characters of a line that are shown."""
_CONTEXT = 3
_WORDS = {"status": "Status", "config": "Config", "error": "Error", "output": "Output"}
_VALUES = ("config", "error", "output")
WHOLE = "*"
"""The key of what stands for the runs themselves."""


@dataclass
class Side:
    """What a step was in one of the runs; no status where it was not."""

    status: str = ""
    facts: str = ""


@dataclass
class ComparedRow:
    """A step of either run. `change`: `same`, `figures` (time or cost), `changed`, `one` run's alone."""

    key: str = ""
    label: str = ""
    change: str = "same"
    told: str = ""
    left: Side = field(default_factory=Side)
    right: Side = field(default_factory=Side)


@dataclass
class Line:
    """`mark`: `-` of the left alone, `+` of the right alone, ` ` of both, `@` where lines are left out."""

    mark: str = ""
    text: str = ""


@dataclass
class ValueChange:
    """One part of a step that differs, line by line."""

    title: str = ""
    lines: list[Line] = field(default_factory=list)
    part: bool = False
    """Whether there is more of it than is compared here."""


@dataclass
class ComparedStep:
    """The step that is looked at."""

    key: str = ""
    label: str = ""
    change: str = ""
    left: Side = field(default_factory=Side)
    right: Side = field(default_factory=Side)
    changes: list[ValueChange] = field(default_factory=list)


def place_of(step: StepOut | StepDifference) -> str:
    """What a step is known by in both runs."""
    return "/".join((step.node_id, *map(str, step.iteration)))


def compared_runs(comparison: ComparisonOut) -> ComparedStep:
    """What differs in what the two were given and what they came to."""
    left, right = comparison.execution, comparison.other
    values = [
        _value(title, before, after, part)
        for title, before, after, part in (
            ("Trigger data", left.trigger_data, right.trigger_data, _either(left, right, "trigger_data_ref")),
            ("Error", left.error, right.error, False),
            ("Output", left.output, right.output, _either(left, right, "output_ref")),
        )
        if before != after
    ]
    ours, theirs = (
        Side(run.status, facts(duration(run.duration_ms), cost(run.total_cost))) for run in (left, right)
    )
    change = "changed" if values or left.status != right.status else "figures"
    return ComparedStep(WHOLE, "The whole run", change, ours, theirs, values)


def compared_rows(
    comparison: ComparisonOut, left: list[StepOut], right: list[StepOut], names: NodeNames
) -> list[ComparedRow]:
    """The runs, then every step in the order of the left one; what only the right one has comes last."""
    ours, theirs = ({place_of(step): step for step in steps} for steps in (left, right))
    differences = {place_of(each): each for each in comparison.steps}
    whole = compared_runs(comparison)
    told = ["Status"] if whole.left.status != whole.right.status else []
    told += [value.title for value in whole.changes]
    rows = [ComparedRow(WHOLE, whole.label, whole.change, ", ".join(told), whole.left, whole.right)]
    for key in dict.fromkeys((*ours, *theirs)):
        change, parts = _change(differences.get(key))
        step = ours.get(key) or theirs[key]
        rows.append(
            ComparedRow(
                key, label_of(step, names), change, parts, _side(ours.get(key)), _side(theirs.get(key))
            )
        )
    return rows


def compared_step(
    row: ComparedRow, difference: StepDifference | None, left: StepOut | None, right: StepOut | None
) -> ComparedStep:
    """With the values that differ."""
    changes = difference.changes if difference else {}
    part = left is not None and right is not None and _either(left, right, "output_ref")
    values = [
        _value(_WORDS[name], changes[name].execution, changes[name].other, part and name == "output")
        for name in _VALUES
        if name in changes
    ]
    return ComparedStep(row.key, row.label, row.change, row.left, row.right, values)


def _either(left: Any, right: Any, name: str) -> bool:
    return getattr(left, name) is not None or getattr(right, name) is not None


def _change(difference: StepDifference | None) -> tuple[str, str]:
    if difference is None:
        return "same", ""
    if difference.only_in:
        return "one", "Only in the first" if difference.only_in == "execution" else "Only in the second"
    told = [word for name, word in _WORDS.items() if name in difference.changes]
    return ("changed", ", ".join(told)) if told else ("figures", "")


def _side(step: StepOut | None) -> Side:
    if step is None:
        return Side()
    return Side(step.status, facts(duration(step.duration_ms), cost(step.cost)))


def _value(title: str, before: Any, after: Any, part: bool) -> ValueChange:
    left, right = _lines(before), _lines(after)
    part = part or max(len(left), len(right)) > LINES
    return ValueChange(title, _merged(left[:LINES], right[:LINES]), part)


def _lines(value: Any) -> list[str]:
    """As people read it: text as it is, everything else as JSON; nothing for nothing."""
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.splitlines()


def _merged(left: list[str], right: list[str]) -> list[Line]:
    found: list[Line] = []
    groups = SequenceMatcher(None, left, right).get_grouped_opcodes(_CONTEXT)
    end = 0
    for group in groups:
        if group[0][1] > end:
            found.append(Line("@", "…"))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [Line(" ", text[:LINE]) for text in left[i1:i2]]
            else:
                found += [Line("-", text[:LINE]) for text in left[i1:i2]]
                found += [Line("+", text[:LINE]) for text in right[j1:j2]]
        end = group[-1][2]
    if end < len(left):
        found.append(Line("@", "…"))
    return found
