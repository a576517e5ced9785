"""The selected node: its label, its config as a form drawn from its kind, and how it treats failure."""

from typing import Any

import reflex as rx
from reflex.vars import FunctionStringVar

from agentflow_app.providers.service import models_listed
from agentflow_app.ui.builder.state import Builder, NamedRow
from agentflow_app.ui.builder.widgets import widget
from agentflow_app.ui.canvas.binding import act, act_with, on_tick, store
from agentflow_app.ui.canvas.node import node_tile
from agentflow_app.ui.components.button import icon_button
from agentflow_app.ui.components.card import SHEET
from agentflow_app.ui.components.field import INPUT
from agentflow_app.ui.components.icon import icon

_ERRORS = (
    ("fail", "Fail the run"),
    ("continue", "Go on"),
    ("branch", "Take the error branch"),
)


def _field(field: Any, node_id: Any) -> rx.Component:
    note = "field-" + field["name"].to(str) + "-note"
    return rx.el.div(
        rx.el.label(
            field["title"].to(str),
            rx.cond(
                field["required"],
                rx.fragment(),
                rx.el.span("Optional", class_name="font-normal text-gray-11"),
            ),
            html_for="field-" + field["name"].to(str),
            class_name="flex items-center justify-between text-sm font-medium text-gray-12",
        ),
        widget(field, node_id),
        rx.cond(
            field["error"],
            rx.el.p(field["error"].to(str), id=note, class_name="text-sm text-red-11", role="alert"),
            rx.cond(
                field["description"],
                rx.el.p(
                    # What stands between backticks is a word of the definition's.
                    rx.foreach(
                        field["description"].to(str).split("`"),
                        lambda part, place: rx.cond(
                            place % 2 == 1, rx.el.code(part, class_name="font-mono text-gray-12"), part
                        ),
                    ),
                    id=note,
                    class_name="text-sm text-gray-11",
                ),
            ),
        ),
        key=field["key"].to(str),
        class_name="flex flex-col gap-1",
    )


def _reference(reference: Any, field: Any) -> rx.Component:
    return _insertable(reference["label"].to(str), reference["path"].to(str), field)


def _named(name: NamedRow, what: str, node: Any) -> rx.Component:
    return _insertable(f"{what} › " + name.label, name.path, node["reference_field"])  # noqa: RUF001


def _insertable(label: Any, path: Any, field: Any) -> rx.Component:
    return rx.el.li(
        rx.el.button(
            rx.el.span(label, class_name="text-sm text-gray-12"),
            rx.el.code(path, class_name="block font-mono text-xs text-gray-11 truncate"),
            type="button",
            # The field keeps its cursor: the reference goes where it stands.
            custom_attrs={
                "onMouseDown": rx.vars.FunctionStringVar.create("((event) => event.preventDefault())")
            },
            on_click=act("insertReference", path, field),
            class_name="w-full px-2 py-1 rounded text-left hover:bg-gray-a3",
        )
    )


def _fold(title: str, *children: Any, opened: bool = False) -> rx.Component:
    return rx.el.details(
        rx.el.summary(
            icon("chevron-right", size=14, class_name="transition-transform group-open:rotate-90"),
            title,
            class_name="flex items-center gap-1 h-9 text-sm font-medium text-gray-12 list-none",
        ),
        *children,
        open=opened,
        class_name="group border-t border-gray-a4 px-3",
    )


def _behaviour(node: Any) -> rx.Component:
    node_id = node["id"]

    def number(label: str, key: str, action: Any, placeholder: str) -> rx.Component:
        return rx.el.label(
            rx.el.span(label, class_name="text-sm text-gray-12"),
            rx.el.input(
                value=node[key].to(str),
                on_change=action,
                placeholder=placeholder,
                input_mode="decimal",
                class_name=INPUT,
            ),
            class_name="flex flex-col gap-1",
        )

    return _fold(
        "When it runs",
        rx.el.div(
            rx.el.label(
                rx.el.input(
                    type="checkbox",
                    checked=node["disabled"].to(bool),
                    custom_attrs=on_tick("setOption", node_id, "disabled"),
                    class_name="w-4 h-4 m-1 accent-[var(--accent-9)]",
                ),
                "Skip this node",
                class_name="flex items-center gap-2 min-h-6 text-base text-gray-12",
            ),
            rx.el.label(
                rx.el.span("If it fails", class_name="text-sm text-gray-12"),
                rx.el.select(
                    *[rx.el.option(text, value=key) for key, text in _ERRORS],
                    value=node["on_error"].to(str),
                    on_change=act_with("setOption", node_id, "on_error"),
                    class_name=INPUT,
                ),
                class_name="flex flex-col gap-1",
            ),
            rx.el.div(
                number("Retries", "retries", act_with("setRetries", node_id), "3"),
                number(
                    "Timeout, seconds",
                    "timeout",
                    act_with("setNumberOption", node_id, "timeout_seconds"),
                    "none",
                ),
                class_name="grid grid-cols-2 gap-2",
            ),
            class_name="flex flex-col gap-4 pb-3",
        ),
    )


def _head(node: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            node_tile(node["type"].to(str), node["icon"].to(str)),
            rx.el.div(
                rx.el.div(node["kind"].to(str), class_name="text-base font-semibold text-gray-12"),
                rx.el.code(node["id"].to(str), class_name="block font-mono text-xs text-gray-11 truncate"),
                class_name="min-w-0 flex-1",
            ),
            rx.cond(
                node["read_only"].to(bool),
                rx.fragment(),
                rx.el.div(
                    icon_button("copy", "Duplicate", small=True, on_click=act("duplicate")),
                    icon_button("trash-2", "Delete", small=True, on_click=act("removeSelected")),
                    class_name="flex",
                ),
            ),
            icon_button("x", "Close", small=True, on_click=act("select", []), class_name="md:hidden"),
            class_name="flex items-center gap-2.5",
        ),
        rx.el.p(node["help"].to(str), class_name="mt-2 text-sm text-gray-11"),
        rx.foreach(
            node["problems"].to(list[dict[str, Any]]),
            lambda problem: rx.el.p(
                icon("triangle-alert", size=14, class_name="mt-0.5"),
                problem["message"].to(str),
                class_name="mt-2 flex gap-1.5 text-sm "
                + rx.cond(problem["severity"] == "error", "text-red-11", "text-amber-11"),
                role="alert",
            ),
        ),
        class_name="p-3 border-b border-gray-a4",
    )


def _address(node: Any) -> rx.Component:
    """Where a webhook trigger is called, or where the page of a form trigger is."""
    path: Any = rx.match(
        node["type"].to(str) + "." + node["subtype"].to(str),
        ("trigger.webhook", Builder.agent.webhook_url),
        ("trigger.form", Builder.agent.form_url),
        "",
    )
    copy: Any = FunctionStringVar.create(
        f"(() => navigator.clipboard.writeText(new URL({path}, location.origin).href))",
        _var_data=path._get_all_var_data(),
    )
    is_form = node["subtype"] == "form"
    return rx.cond(
        path != "",
        rx.el.div(
            rx.el.div(
                rx.cond(is_form, "Address of the form", "Address"),
                class_name="text-sm font-medium text-gray-12",
            ),
            rx.el.div(
                rx.el.code(path, class_name="flex-1 font-mono text-xs text-gray-11 break-all select-all"),
                icon_button("copy", "Copy the whole address", small=True, on_click=copy),
                class_name="flex items-start gap-1",
            ),
            rx.el.p(
                rx.cond(is_form, "Open once the agent is live.", "Answers once the agent is live."),
                class_name="text-sm text-gray-11",
            ),
            class_name="flex flex-col gap-1 p-3 border-b border-gray-a4",
        ),
    )


def _next_runs(node: Any) -> rx.Component:
    """Of a schedule trigger, as it was saved last."""
    times: Any = rx.Var.create(Builder.upcoming).to(dict[str, list[str]])[node["id"].to(str)]
    return rx.cond(
        (node["type"] == "trigger") & (node["subtype"] == "schedule") & times.bool(),
        rx.el.div(
            rx.el.div("Next runs", class_name="text-sm font-medium text-gray-12"),
            rx.el.ol(
                rx.foreach(times.to(list[str]), lambda each: rx.el.li(each)),
                class_name="text-sm text-gray-11 tabular-nums",
            ),
            class_name="flex flex-col gap-1 p-3 border-b border-gray-a4",
        ),
    )


def _label(node: Any) -> rx.Component:
    return rx.el.div(
        rx.el.label("Label", html_for="node-label", class_name="text-sm font-medium text-gray-12"),
        rx.el.input(
            id="node-label",
            value=node["label"].to(str),
            on_change=act_with("rename", node["id"]),
            class_name=INPUT,
            auto_complete="off",
        ),
        class_name="flex flex-col gap-1",
    )


def _fields(node: Any, key: str) -> rx.Component:
    return rx.foreach(node[key].to(list[dict[str, Any]]), lambda field: _field(field, node["id"]))


def _data(node: Any) -> rx.Component:
    return _fold(
        "Data to use",
        rx.el.p("Goes where the cursor is.", class_name="px-2 text-xs text-gray-11"),
        rx.el.ul(
            rx.foreach(
                node["references"].to(list[dict[str, str]]),
                lambda reference: _reference(reference, node["reference_field"]),
            ),
            rx.foreach(Builder.variables, lambda name: _named(name, "Variable", node)),
            rx.cond(
                node["secrets"].to(bool),
                rx.foreach(Builder.secrets, lambda name: _named(name, "Secret", node)),
            ),
            class_name="pb-3",
        ),
    )


def _models() -> rx.Component:
    options = [rx.el.option(value=model.name, label=model.label) for model in models_listed()]
    return rx.el.datalist(*options, id="known-models")


def inspector() -> rx.Component:
    node = store("inspector")
    return rx.cond(
        node["id"].to(str) != "",
        rx.el.aside(
            _head(node),
            _address(node),
            _next_runs(node),
            rx.el.fieldset(
                rx.el.div(_label(node), _fields(node, "fields"), class_name="flex flex-col gap-4 p-3"),
                rx.cond(
                    node["rare"].to(list[dict[str, Any]]).length() > 0,
                    _fold(
                        "More options",
                        rx.el.div(_fields(node, "rare"), class_name="flex flex-col gap-4 pb-3"),
                    ),
                ),
                _data(node),
                _behaviour(node),
                disabled=node["read_only"].to(bool),
                class_name="min-w-0",
            ),
            _models(),
            class_name=(
                f"af-scroll overflow-y-auto max-h-[60vh] bg-panel border-gray-a5 {SHEET} md:w-80 md:border-l"
            ),
            custom_attrs={"aria-label": "Selected node"},
        ),
    )
