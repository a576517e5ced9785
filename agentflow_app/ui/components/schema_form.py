"""The controls of a form that a JSON Schema describes. Their names are those of the fields."""

from typing import Any

import reflex as rx

from agentflow_app.executions.forms import FormField
from agentflow_app.ui.components.field import INPUT, TEXTAREA


def _control(item: FormField, field_id: Any) -> rx.Component:
    described = {"aria-describedby": field_id + "-note"}
    shared: dict[str, Any] = {
        "id": field_id,
        "name": item.name,
        "default_value": item.default,
        "required": item.required,
        "custom_attrs": described,
    }
    number = {**shared, "custom_attrs": {**described, "step": "any"}}
    return rx.match(
        item.control,
        ("textarea", rx.el.textarea(rows=4, class_name=TEXTAREA, **shared)),
        ("json", rx.el.textarea(rows=4, class_name=f"{TEXTAREA} font-mono", **shared)),
        ("number", rx.el.input(type="number", class_name=INPUT, **number)),
        (
            "select",
            rx.el.select(
                rx.el.option("", value=""),
                rx.foreach(item.options, lambda each: rx.el.option(each, value=each)),
                class_name=INPUT,
                **shared,
            ),
        ),
        rx.el.input(auto_complete="off", class_name=INPUT, **shared),
    )


def _field(item: FormField, prefix: Any) -> rx.Component:
    field_id = prefix + "-" + item.name
    label = rx.el.label(
        item.title,
        rx.cond(item.required, "", rx.el.span(" (optional)", class_name="font-normal text-gray-11")),
        html_for=field_id,
        class_name="block mb-1 text-sm font-medium text-gray-12",
    )
    switch = rx.el.label(
        rx.el.input(
            type="checkbox",
            id=field_id,
            name=item.name,
            default_checked=item.default == "true",
            custom_attrs={"aria-describedby": field_id + "-note"},
        ),
        item.title,
        class_name="flex items-center gap-2 text-base text-gray-12",
    )
    return rx.el.div(
        rx.cond(item.control == "switch", switch, rx.el.div(label, _control(item, field_id))),
        rx.el.p(item.description, id=field_id + "-note", class_name="mt-1 text-sm text-gray-11 empty:hidden"),
    )


def schema_controls(fields: Any, prefix: Any) -> rx.Component:
    """`fields`: a list of FormField; `prefix` keeps the ids apart from those of other forms on the page."""
    return rx.el.div(rx.foreach(fields, lambda item: _field(item, prefix)), class_name="flex flex-col gap-3")
