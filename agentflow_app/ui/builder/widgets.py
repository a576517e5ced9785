"""The inspector's widgets: one per `widget` that a node kind's config model may ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.ui.builder.state import Builder, NamedRow
from agentflow_app.ui.canvas.binding import act, act_with, on_key, on_tick
from agentflow_app.ui.components.button import icon_button
from agentflow_app.ui.components.field import INPUT, TEXTAREA
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.shell import Shell

Field = Any
"""A field of the inspector's form, as `schema.js` makes it."""

_MONO = "font-mono text-sm"


def _attributes(field: Field) -> dict[str, Any]:
    return {
        "id": "field-" + field["name"].to(str),
        "placeholder": field["placeholder"].to(str),
        "on_focus": act("focusField", field["name"]),
        "spell_check": False,
        "custom_attrs": {
            "aria-invalid": field["error"].bool(),
            "aria-describedby": "field-" + field["name"].to(str) + "-note",
        },
    }


def _line(action: str, *, kind: str = "text", mono: bool = False) -> Callable[[Field, Any], rx.Component]:
    def draw(field: Field, node_id: Any) -> rx.Component:
        return rx.el.input(
            value=field["text"].to(str),
            type=kind,
            on_change=act_with(action, node_id, field["name"]),
            class_name=f"{INPUT} {_MONO if mono else ''}",
            auto_complete="off",
            **_attributes(field),
        )

    return draw


def _area(action: str, *, rows: int, mono: bool) -> Callable[[Field, Any], rx.Component]:
    def draw(field: Field, node_id: Any) -> rx.Component:
        return rx.el.textarea(
            value=field["text"].to(str),
            rows=rows,
            on_change=act_with(action, node_id, field["name"]),
            class_name=f"{TEXTAREA} {_MONO if mono else ''}",
            **_attributes(field),
        )

    return draw


def _select(field: Field, node_id: Any) -> rx.Component:
    return rx.el.select(
        rx.foreach(field["options"].to(list[str]), lambda option: rx.el.option(option, value=option)),
        value=field["text"].to(str),
        on_change=act_with("setText", node_id, field["name"]),
        id="field-" + field["name"].to(str),
        class_name=INPUT,
    )


def _switch(field: Field, node_id: Any) -> rx.Component:
    return rx.el.input(
        type="checkbox",
        checked=field["checked"].to(bool),
        custom_attrs=on_tick("setChecked", node_id, field["name"]),
        id="field-" + field["name"].to(str),
        class_name="w-4 h-4 m-1 accent-[var(--accent-9)]",
    )


def _items(field: Field, node_id: Any) -> rx.Component:
    name = field["name"]

    def item(entry: Any, index: Any) -> rx.Component:
        return rx.el.div(
            rx.el.div(
                rx.el.input(
                    value=entry["name"].to(str),
                    on_change=act_with("setItem", node_id, name, index),
                    class_name=INPUT,
                    auto_complete="off",
                    custom_attrs={"aria-label": field["title"].to(str)},
                ),
                rx.cond(
                    field["described"].to(bool),
                    rx.el.input(
                        value=entry["description"].to(str),
                        on_change=act_with("setDescription", node_id, name, index),
                        placeholder="Description (optional)",
                        class_name=f"{INPUT} text-sm",
                        auto_complete="off",
                        custom_attrs={"aria-label": "Description of " + entry["name"].to(str)},
                    ),
                ),
                class_name="flex flex-col gap-1 flex-1 min-w-0",
            ),
            icon_button("x", "Remove", on_click=act("removeItem", node_id, name, index)),
            class_name="flex gap-1",
        )

    return rx.el.div(
        rx.foreach(field["items"].to(list[dict[str, str]]), item),
        _add("Add", act("addItem", node_id, name)),
        class_name="flex flex-col gap-1.5",
        id="field-" + name.to(str),
    )


def _pairs(field: Field, node_id: Any) -> rx.Component:
    name = field["name"]

    def pair(entry: Any, index: Any) -> rx.Component:
        key, value = entry["key"].to(str), entry["value"].to(str)
        return rx.el.div(
            rx.el.input(
                default_value=key,
                on_blur=act_with("setKey", node_id, name, index),
                class_name=f"{INPUT} {_MONO} basis-2/5",
                auto_complete="off",
                key=key,
                custom_attrs={"aria-label": "Name"},
            ),
            rx.el.input(
                value=value,
                on_change=act_with("setPair", node_id, name, index),
                class_name=f"{INPUT} {_MONO}",
                auto_complete="off",
                custom_attrs={"aria-label": "Value"},
            ),
            icon_button("x", "Remove", on_click=act("removePair", node_id, name, key)),
            class_name="flex gap-1",
        )

    return rx.el.div(
        rx.foreach(field["pairs"].to(list[dict[str, str]]), pair),
        _add("Add", act("addPair", node_id, name)),
        class_name="flex flex-col gap-1",
        id="field-" + name.to(str),
    )


def _add(label: str, on_click: Any) -> rx.Component:
    return rx.el.button(
        icon("plus", size=14),
        label,
        type="button",
        on_click=on_click,
        class_name=(
            "inline-flex items-center gap-1 self-start h-7 px-1.5 rounded text-sm "
            "text-accent-11 hover:bg-accent-a3"
        ),
    )


def _model(field: Field, node_id: Any) -> rx.Component:
    return rx.el.input(
        value=field["text"].to(str),
        on_change=act_with("setText", node_id, field["name"]),
        class_name=f"{INPUT} {_MONO}",
        list="known-models",
        auto_complete="off",
        **_attributes(field),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where one makes another of what is chosen from, and the right that it needs."""

    label: str
    href: str
    permission: str


def _chosen_from(rows: Any, nothing: str, place: Place | None = None) -> Callable[[Field, Any], rx.Component]:
    """A choice of what the organization has; `nothing` is what the empty choice is called."""

    def draw(field: Field, node_id: Any) -> rx.Component:
        chosen = field["text"].to(str)
        known: Any = rx.Var.create(rows).to(list[NamedRow])
        # One that the list does not have, named in the definition or deleted since, stays until changed.
        unknown = (chosen != "") & ~known.pluck("path").contains(chosen)
        choice = rx.el.select(
            rx.el.option(nothing, value=""),
            rx.foreach(rows, lambda each: rx.el.option(each.label, value=each.path)),
            rx.cond(unknown, rx.el.option(chosen, value=chosen)),
            value=chosen,
            on_change=act_with("setText", node_id, field["name"]),
            on_focus=Builder.refresh_names,
            id="field-" + field["name"].to(str),
            class_name=INPUT,
        )
        return choice if place is None else rx.el.div(choice, _new(place), class_name="flex flex-col gap-1")

    return draw


def _new(place: Place) -> rx.Component:
    """In a tab of its own: the draft stays where it is."""
    permissions: Any = rx.Var.create(Shell.permissions).to(list[str])
    return rx.cond(
        permissions.contains(place.permission),
        rx.link(
            icon("plus", size=14),
            place.label,
            href=place.href,
            is_external=True,
            class_name="inline-flex items-center gap-1 self-start h-7 px-1.5 text-sm text-accent-11",
        ),
    )


def _json(field: Field, node_id: Any) -> rx.Component:
    # Read when it is left: parsing while typing would reformat what is half written.
    return rx.el.textarea(
        default_value=field["text"].to(str),
        rows=5,
        on_blur=act_with("setJson", node_id, field["name"]),
        class_name=f"{TEXTAREA} {_MONO}",
        key=field["key"].to(str) + field["text"].to(str),
        **_attributes(field),
    )


def _code(field: Field, node_id: Any) -> rx.Component:
    # As tall as the text, in a box that scrolls, so that the numbers move with the lines.
    line = "font-mono text-sm leading-5"
    return rx.el.div(
        rx.el.pre(
            field["numbers"].to(str),
            class_name=f"{line} shrink-0 py-1.5 pl-2 pr-1.5 text-right text-gray-9 select-none",
            custom_attrs={"aria-hidden": "true"},
        ),
        rx.el.textarea(
            value=field["text"].to(str),
            rows=field["lines"].to(int),
            wrap="off",
            on_change=act_with("setText", node_id, field["name"]),
            class_name=(
                f"{line} af-scroll flex-1 min-w-0 py-1.5 pr-2.5 bg-transparent text-gray-12 "
                "overflow-y-hidden resize-none outline-none"
            ),
            **{
                **_attributes(field),
                "custom_attrs": {
                    **_attributes(field)["custom_attrs"],
                    **on_key("keepIndent", node_id, field["name"]),
                },
            },
        ),
        class_name="af-field af-field-around af-scroll flex items-start max-h-96 overflow-y-auto rounded-md",
        custom_attrs={"aria-invalid": field["error"].bool()},
    )


_NEW_CREDENTIAL = Place("New credential", "/settings/credentials", "credentials:write")
_NEW_SECRET = Place("New secret", "/settings/secrets", "secrets:write")
_WIDGETS: dict[str, Callable[[Field, Any], rx.Component]] = {
    "text": _line("setText"),
    "textarea": _area("setText", rows=4, mono=False),
    "expression": _line("setText", mono=True),
    "condition": _area("setText", rows=2, mono=True),
    "number": _line("setNumber"),
    "duration": _line("setNumber"),
    "switch": _switch,
    "select": _select,
    "model": _model,
    "credential": _chosen_from(Builder.credentials, "None", _NEW_CREDENTIAL),
    "mail_server": _chosen_from(Builder.mail_servers, "None", _NEW_CREDENTIAL),
    "secret": _chosen_from(Builder.secrets, "None", _NEW_SECRET),
    "agent": _chosen_from(Builder.agents, "Choose an agent"),
    "json": _json,
    "code": _code,
    "key_value": _pairs,
    "list": _items,
    "cases": _items,
}


def widget(field: Field, node_id: Any) -> rx.Component:
    """The control for `field` of the node `node_id`."""
    return rx.match(
        field["widget"].to(str),
        *((name, draw(field, node_id)) for name, draw in _WIDGETS.items()),
        _WIDGETS["text"](field, node_id),
    )
