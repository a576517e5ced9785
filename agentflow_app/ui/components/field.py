"""Form controls. Each is tied to its label by its id, and to its note (help or error) by `<id>-note`."""

from typing import Any

import reflex as rx

_CONTROL = (
    "af-field h-8 px-2.5 rounded-md text-base text-gray-12 disabled:opacity-60 disabled:cursor-not-allowed"
)
INPUT = f"{_CONTROL} w-full"
TEXTAREA = "af-field af-scroll w-full min-h-16 px-2.5 py-1.5 rounded-md text-base text-gray-12 resize-y"


def text_input(
    field_id: str, *, invalid: bool | rx.Var[bool] = False, class_name: str = "", **props: Any
) -> rx.Component:
    return rx.el.input(
        id=field_id,
        class_name=f"{INPUT} {class_name}",
        custom_attrs={"aria-invalid": invalid, "aria-describedby": f"{field_id}-note"},
        **props,
    )


def search_input(value: str | rx.Var[str], on_change: Any, *, label: str) -> rx.Component:
    """Filters while typing; the handler is called once the typing pauses."""
    return rx.debounce_input(
        rx.el.input(
            value=value,
            on_change=on_change,
            placeholder=label,
            type="search",
            class_name=f"{_CONTROL} w-full sm:w-64",
            custom_attrs={"aria-label": label},
        ),
        debounce_timeout=250,
    )


def select(
    value: str | rx.Var[str], options: list[tuple[str, str]], on_change: Any, *, label: str
) -> rx.Component:
    """A native select: quick, and right on a phone."""
    return rx.el.select(
        *[rx.el.option(text, value=key) for key, text in options],
        value=value,
        on_change=on_change,
        class_name=_CONTROL,
        custom_attrs={"aria-label": label},
    )


def labelled(
    label: str, control: rx.Component, *, field_id: str, help_text: str | rx.Component = ""
) -> rx.Component:
    """A control under its label and over its note."""
    return rx.el.div(
        rx.el.label(label, html_for=field_id, class_name="block mb-1 text-sm font-medium text-gray-12"),
        control,
        rx.el.p(help_text, id=f"{field_id}-note", class_name="mt-1 text-sm text-gray-11")
        if help_text
        else rx.fragment(),
    )


def form_error(message: str | rx.Var[str]) -> rx.Component:
    """What is wrong with a form, over its buttons."""
    return rx.cond(
        message, rx.el.p(message, role="alert", class_name="text-sm text-red-11 first-letter:uppercase")
    )


def secret_once(value: str | rx.Var[str], *, label: str, done: str) -> rx.Component:
    """Something to be copied now, with its button; `done` is what the button says afterwards, as a toast."""
    return rx.el.div(
        rx.el.input(
            value=value,
            read_only=True,
            class_name=f"{INPUT} font-mono",
            custom_attrs={"aria-label": label, "spellcheck": "false", "autocomplete": "off"},
        ),
        rx.el.button(
            rx.icon("copy", size=14, custom_attrs={"aria-hidden": "true"}),
            "Copy",
            type="button",
            on_click=[rx.set_clipboard(value), rx.toast.success(done)],
            class_name=(
                "inline-flex items-center gap-1.5 h-8 px-3 rounded-md text-base font-medium shrink-0 "
                "bg-panel text-gray-12 border border-gray-a6 hover:bg-gray-a2"
            ),
        ),
        class_name="flex gap-2",
    )
