"""Short ways to write definitions down."""

from typing import Any

from engine import Definition


def node(node_id: str, kind: str, config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    type_, subtype = kind.split(".")
    return {"id": node_id, "type": type_, "subtype": subtype, "config": config or {}, **more}


def put(node_id: str, values: Any = None, **more: Any) -> dict[str, Any]:
    """A node that just sets values; without any, its own name."""
    return node(node_id, "action.set", {"values": {"at": node_id} if values is None else values}, **more)


def write(node_id: str, template: str, **more: Any) -> dict[str, Any]:
    return node(node_id, "action.template", {"template": template}, **more)


def fetch(node_id: str, url: str, config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return node(node_id, "action.http_request", {"url": url, "method": "POST", **(config or {})}, **more)


def fails(node_id: str, **more: Any) -> dict[str, Any]:
    """A node that fails at once, since what it names is not there."""
    return write(node_id, "{{ trigger.data.nothing.here }}", **more)


def edge(text: str, **more: Any) -> dict[str, Any]:
    """`a>b`, or `a:handle>b`."""
    source, target = text.split(">")
    source, _, handle = source.partition(":")
    return {
        "id": text,
        "source": source,
        "target": target,
        **({"source_handle": handle} if handle else {}),
        **more,
    }


def graph(*parts: dict[str, Any] | str) -> Definition:
    """Nodes, and edges as text or as objects."""
    edges = [edge(part) if isinstance(part, str) else part for part in parts]
    return Definition.model_validate(
        {
            "nodes": [part for part in edges if "type" in part],
            "edges": [part for part in edges if "source" in part],
        }
    )
