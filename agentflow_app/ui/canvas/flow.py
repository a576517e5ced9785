"""React Flow, wrapped: an editor for a definition and a viewer for a run."""

from typing import Any, Self

import reflex as rx
from reflex.style import resolved_color_mode

from agentflow_app.ui.canvas.binding import FLOW, XYFLOW
from agentflow_app.ui.canvas.node import node_card
from engine.nodes.registry import catalog


def _saved(request: rx.Var[dict[str, Any]]) -> tuple[rx.Var[dict[str, Any]]]:
    return (request,)


def _selected(node_id: rx.Var[str]) -> tuple[rx.Var[str]]:
    return (node_id,)


class _Flow(rx.NoSSRComponent):
    library = FLOW
    lib_dependencies: list[str] = [XYFLOW]

    catalog: rx.Var[list[dict[str, Any]]]
    node: rx.Var[Any]
    statuses: rx.Var[dict[str, Any]]
    # React Flow names its own scheme with a class that would else bring back Radix' light colours.
    color_mode: rx.Var[str]

    @classmethod
    def create(cls, *children: Any, **props: Any) -> Self:
        # One component for all nodes, by reference: made anew per render it would remount every node.
        return super().create(
            *children, catalog=catalog(), node=node_card._as_var(), color_mode=resolved_color_mode, **props
        )

    def add_imports(self) -> dict[str, Any]:
        return {"": ["@xyflow/react/dist/style.css"]}


class FlowEditor(_Flow):
    """Edits `draft` {agent_id, definition, revision, read_only, key} once `ready`, anew for each key.

    `sample` is the trigger data, as JSON text, whose keys are offered to expressions.

    `on_save` gets {request, agent_id, definition, revision}; the answer comes back in `ack`
    {request, status: saved | conflict | failed, revision}.
    """

    tag = "FlowEditor"

    draft: rx.Var[dict[str, Any]]
    ready: rx.Var[bool]
    sample: rx.Var[str]
    ack: rx.Var[dict[str, Any]]
    problems: rx.Var[list[dict[str, Any]]]
    on_save: rx.EventHandler[_saved]  # type: ignore[valid-type,type-arg]  # how Reflex declares arguments


class FlowViewer(_Flow):
    """Shows `definition` with a run's `statuses`; a click says which node."""

    tag = "FlowViewer"

    definition: rx.Var[dict[str, Any]]
    selected: rx.Var[str]
    on_select: rx.EventHandler[_selected]  # type: ignore[valid-type,type-arg]
