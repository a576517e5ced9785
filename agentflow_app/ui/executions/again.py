"""What brings a run that stands still on its way again: resume, settle, replay."""

from typing import Any

import reflex as rx

from agentflow_app.executions.schemas import ReplayRequest, ResolveRequest, ResumeRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import TEXTAREA
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.executions.view import as_text, from_text
from agentflow_app.ui.session import PageState, acts, event, id_of
from agentflow_app.ui.shell import Shell


class Again(PageState, rx.State):
    """The dialog of a replay, from the step that is looked at."""

    asking: bool = False
    draft: str = ""

    @event
    @acts
    async def resume(self) -> Any:
        live = await self.get_state(Live)
        async with self._transaction() as (tx, actor):
            run_id = id_of(live.run.id)
            await ExecutionService(tx, actor).resume(run_id, ResumeRequest())
            await live._open(tx, actor, run_id)
        return Live.follow

    @event
    @acts
    async def resolve(self, outcome: str) -> None:
        live = await self.get_state(Live)
        request = ResolveRequest.model_validate({"outcome": outcome})
        async with self._transaction() as (tx, actor):
            run_id = id_of(live.run.id)
            await ExecutionService(tx, actor).resolve(run_id, id_of(live.detail.id), request)
            await live._open(tx, actor, run_id)

    @event
    @acts
    async def set_asking(self, asking: bool) -> None:
        await self._ensure("executions:read")
        live = await self.get_state(Live)
        self.asking = bool(asking)
        self.draft = "" if live.detail.part_of_output else as_text(live.detail.output)

    @event
    async def set_draft(self, text: str) -> None:
        self.draft = str(text)

    @event
    @acts
    async def replay(self, edited: bool) -> Any:
        """A new run from the step that is looked at, or from its output as it was edited."""
        live = await self.get_state(Live)
        node_id = live.detail.node_id
        overrides = {node_id: from_text(self.draft, live.detail.output)} if edited else {}
        request = ReplayRequest.model_validate({"from_node": node_id, "overrides": overrides})
        async with self._transaction() as (tx, actor):
            run = await ExecutionService(tx, actor).replay(id_of(live.run.id), request)
        self.asking = False
        return rx.redirect(f"/runs/{run.id}")


def settling() -> rx.Component:
    """For a step of which nobody knows whether its effect has happened."""
    return rx.cond(
        (Live.detail.status == "uncertain") & Shell.can_write,
        rx.el.div(
            rx.el.p(
                "It was cut off while it worked. Look on the other side whether it took effect.",
                class_name="text-base text-gray-12",
            ),
            rx.el.div(
                button("It did", kind="primary", icon_name="check", on_click=Again.resolve("done")),
                button("Try again", icon_name="rotate-cw", on_click=Again.resolve("retry")),
                button("It failed", icon_name="x", on_click=Again.resolve("failed")),
                class_name="flex flex-wrap gap-2",
            ),
            class_name="flex flex-col gap-3 p-3 rounded-lg border border-amber-a6 bg-amber-a2",
        ),
    )


def replay_button() -> rx.Component:
    return rx.cond(
        Live.run.ended & Shell.can_write & (Live.detail.status != "skipped"),
        button("Replay from here", icon_name="history", on_click=Again.set_asking(True)),
    )


def replay_dialog() -> rx.Component:
    return dialog(
        "Replay from " + Live.detail.label,
        rx.el.textarea(
            value=Again.draft,
            on_change=Again.set_draft,
            rows=8,
            class_name=f"{TEXTAREA} font-mono",
            custom_attrs={"aria-label": "The step's output"},
        ),
        is_open=Again.asking,
        on_open_change=Again.set_asking,
        description=(
            "A new run takes over what does not depend on this step. Run the step again, or go on with "
            "another output of it."
        ),
        actions=[
            button("Use this output", on_click=Again.replay(True)),
            button("Run it again", kind="primary", on_click=Again.replay(False)),
        ],
        wide=True,
    )
