"""What differs between two graphs, part by part and field by field. Where nodes lie is not a difference."""

from typing import Any, Literal

from agentflow_app.agents.schemas import DiffOut, FieldChange, PartDiff

_IGNORED = frozenset({"position"})


def _flat(part: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in part.items():
        if not prefix and key in _IGNORED:
            continue
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def _label(kind: Literal["node", "edge"], part: dict[str, Any]) -> str:
    if kind == "edge":
        return f"{part.get('source')} → {part.get('target')}"
    return str(part.get("label") or part["id"])


def _parts(kind: Literal["node", "edge"], before: list[Any], after: list[Any]) -> list[PartDiff]:
    old = {part["id"]: part for part in before}
    new = {part["id"]: part for part in after}
    found: list[PartDiff] = []
    for part_id in [*old, *(i for i in new if i not in old)]:
        label = _label(kind, new.get(part_id) or old[part_id])
        if part_id not in new:
            found.append(PartDiff(kind=kind, id=part_id, label=label, change="removed"))
        elif part_id not in old:
            found.append(PartDiff(kind=kind, id=part_id, label=label, change="added"))
        else:
            was, now = _flat(old[part_id]), _flat(new[part_id])
            changes = [
                FieldChange(field=field, before=was.get(field), after=now.get(field))
                for field in sorted(was.keys() | now.keys())
                if was.get(field) != now.get(field)
            ]
            if changes:
                found.append(PartDiff(kind=kind, id=part_id, label=label, change="changed", changes=changes))
    return found


def diff(before: dict[str, Any], after: dict[str, Any]) -> DiffOut:
    """From `before` to `after`; both are definitions."""
    nodes = _parts("node", before.get("nodes", []), after.get("nodes", []))
    edges = _parts("edge", before.get("edges", []), after.get("edges", []))
    return DiffOut(parts=nodes + edges)
