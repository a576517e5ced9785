"""Every node kind there is, found by walking the package."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import engine.nodes
from engine.nodes.base import SECRET_TYPES, NodeKind


@cache
def _kinds() -> dict[tuple[str, str], NodeKind[Any]]:
    found: dict[tuple[str, str], NodeKind[Any]] = {}
    for module in pkgutil.walk_packages(engine.nodes.__path__, "engine.nodes."):
        # Kinds live in engine/nodes/<type>/<subtype>.py; what is shallower is their machinery.
        if module.ispkg or module.name.count(".") != 3:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(value, type)
                and issubclass(value, NodeKind)
                and value.__module__ == module.name
                and "subtype" in vars(value)
            ):
                found[value.type, value.subtype] = value()
    return dict(sorted(found.items()))


def kind(type_: str, subtype: str) -> NodeKind[Any] | None:
    return _kinds().get((type_, subtype))


def kinds() -> list[NodeKind[Any]]:
    return list(_kinds().values())


@cache
def _catalog() -> list[dict[str, Any]]:
    return [
        {
            "type": each.type,
            "subtype": each.subtype,
            "label": each.label,
            "help": each.help,
            "icon": each.icon,
            "handles": list(each.handle_names),
            "handles_from": each.handles_from,
            "side_effect": each.side_effect,
            "secrets": each.type in SECRET_TYPES and not each.hands_on,
            "config_schema": each.Config.model_json_schema(),
            "output_schema": each.Output.model_json_schema(mode="serialization"),
        }
        for each in kinds()
    ]


def catalog() -> list[dict[str, Any]]:
    """All kinds as JSON for the builder: what they are, their handles, the schemas of config and output."""
    return [dict(entry) for entry in _catalog()]
