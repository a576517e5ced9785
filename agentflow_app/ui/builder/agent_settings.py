"""The agent's own settings, from the builder's top bar: its name, its runs' limits, who hears of failures."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.agents.names import runnable_agents
from agentflow_app.agents.schemas import AgentOut, AgentSettings, AgentUpdate
from agentflow_app.agents.service import AgentService
from agentflow_app.core.errors import AppError
from agentflow_app.ui.builder.state import Builder, NamedRow
from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import INPUT, TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, id_of
from agentflow_app.ui.shell import Shell

_NUMBERS = ("timeout_seconds", "max_retries", "concurrency_limit", "max_cost", "max_steps")


@dataclass
class SettingsRow:
    """As the form has it: texts, empty where there is no limit."""

    key: str = ""
    name: str = ""
    description: str = ""
    timeout_seconds: str = ""
    max_retries: str = ""
    concurrency_limit: str = ""
    max_cost: str = ""
    max_steps: str = ""
    error_agent_id: str = ""


class AgentForm(PageState, rx.State):
    """The dialog; what it shows was read when it was opened."""

    row: SettingsRow = SettingsRow()
    others: list[NamedRow] = []
    """The agents that may run when this one fails."""

    error: str = ""
    _opened: int = 0

    @event
    @acts
    async def open_form(self) -> None:
        builder = await self.get_state(Builder)
        async with self._transaction() as (tx, actor):
            actor.require("agents:write")
            agent = await AgentService(tx, actor).get(id_of(builder.agent.id))
            others = [each for each in await runnable_agents(tx, actor) if each.id != str(agent.id)]
        self._opened += 1
        self.row = _row(agent, str(self._opened))
        self.others = [NamedRow(each.name, each.id) for each in others]
        chosen = self.row.error_agent_id
        if chosen and chosen not in {each.path for each in self.others}:
            self.others = [*self.others, NamedRow("One that cannot be run now", chosen)]
        self.error, builder.settings_open = "", True

    @event
    async def set_open(self, is_open: bool) -> None:
        (await self.get_state(Builder)).settings_open = bool(is_open)

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        builder = await self.get_state(Builder)
        limits = {name: text_of(form, name) for name in (*_NUMBERS, "error_agent_id")}
        try:
            settings = read_form(AgentSettings, {name: text for name, text in limits.items() if text})
            told = {"name": text_of(form, "name"), "description": text_of(form, "description") or None}
            data = read_form(AgentUpdate, {**told, "settings": settings})
            async with self._transaction() as (tx, actor):
                agent = await AgentService(tx, actor).update(id_of(builder.agent.id), data)
        except AppError as error:
            self.error = problem(error)
            return None
        builder.agent.name, builder.settings_open = agent.name, False
        return rx.toast.success("Saved", description="It holds for runs that start from now on.")


def _row(agent: AgentOut, key: str) -> SettingsRow:
    kept = AgentSettings.model_validate(agent.settings)
    numbers = {name: value for name in _NUMBERS if (value := getattr(kept, name)) is not None}
    return SettingsRow(
        key=key,
        name=agent.name,
        description=agent.description or "",
        error_agent_id=str(kept.error_agent_id or ""),
        **{
            name: format(value.normalize(), "f") if name == "max_cost" else f"{value:g}"
            for name, value in numbers.items()
        },
    )


def settings_button() -> rx.Component:
    return rx.cond(
        Shell.can_write,
        icon_button("settings-2", "Settings of the agent", small=True, on_click=AgentForm.open_form),
    )


def _number(name: str, label: str, note: str, placeholder: str) -> rx.Component:
    field_id = f"agent-{name}"
    return labelled(
        label,
        text_input(
            field_id,
            name=name,
            default_value=getattr(AgentForm.row, name),
            placeholder=placeholder,
            input_mode="decimal",
            auto_complete="off",
        ),
        field_id=field_id,
        help_text=note,
    )


def _error_agent() -> rx.Component:
    return labelled(
        "When a run fails, run",
        rx.el.select(
            rx.el.option("Nothing", value=""),
            rx.foreach(AgentForm.others, lambda each: rx.el.option(each.label, value=each.path)),
            id="agent-error_agent_id",
            name="error_agent_id",
            default_value=AgentForm.row.error_agent_id,
            class_name=INPUT,
            custom_attrs={"aria-describedby": "agent-error_agent_id-note"},
        ),
        field_id="agent-error_agent_id",
        help_text="It is told which run failed, why, and what that run was given.",
    )


def settings_dialog() -> rx.Component:
    return dialog(
        "Settings of the agent",
        rx.el.form(
            labelled(
                "Name",
                text_input(
                    "agent-name",
                    name="name",
                    default_value=AgentForm.row.name,
                    required=True,
                    max_length=255,
                    auto_complete="off",
                ),
                field_id="agent-name",
            ),
            labelled(
                "Description",
                rx.el.textarea(
                    id="agent-description",
                    name="description",
                    default_value=AgentForm.row.description,
                    rows=2,
                    max_length=2000,
                    class_name=TEXTAREA,
                ),
                field_id="agent-description",
            ),
            _error_agent(),
            rx.el.div(
                _number("timeout_seconds", "Timeout, seconds", "Of a run; waiting is not counted.", "3600"),
                _number("max_retries", "Retries", "Of a node that says nothing else.", "3"),
                _number("max_cost", "Budget, USD", "A run stops before it would cost more.", "none"),
                _number("max_steps", "Steps", "A run stops before it has more.", "none"),
                _number("concurrency_limit", "Runs at once", "Further ones wait in turn.", "any number"),
                class_name="grid grid-cols-2 gap-x-3 gap-y-4",
            ),
            form_error(AgentForm.error),
            id="agent-settings",
            key=AgentForm.row.key,
            on_submit=AgentForm.save,
            class_name="flex flex-col gap-4",
        ),
        is_open=Builder.settings_open,
        on_open_change=AgentForm.set_open,
        actions=[button("Save", kind="primary", type="submit", form="agent-settings")],
    )
