"""Form fields: label, control, help, and the error beside it, tied together for screen readers."""

from typing import Any

import reflex as rx

_CONTROL = (
    "af-field h-8 px-2.5 rounded-md text-base text-gray-12 disabled:opacity-60 disabled:cursor-not-allowed"
)
INPUT = f"{_CONTROL} w-full"
TEXTAREA = "af-field af-scroll w-full min-h-16 px-2.5 py-1.5 rounded-md text-base text-gray-12 resize-y"


def labelled(
    label: str | rx.Var[str],
    control: rx.Component,
    *,
    field_id: str | rx.Var[str],
    error: str | rx.Var[str] = "",
    help_text: str | rx.Var[str] = "",
    required: bool | rx.Var[bool] = True,
) -> rx.Component:
    """Puts `label` above and the error, else the help, below `control`, whose id is `field_id`."""
    note = f"{field_id}-note"
    below = (
        rx.el.p(error, id=note, class_name="mt-1 text-sm text-red-11", role="alert")
        if isinstance(error, str)
        else rx.cond(
            error,
            rx.el.p(error, id=note, class_name="mt-1 text-sm text-red-11", role="alert"),
            _help(help_text, note),
        )
    )
    return rx.el.div(
        rx.el.label(
            label,
            rx.cond(required, rx.fragment(), rx.el.span("Optional", class_name="text-gray-10 font-normal")),
            html_for=field_id,
            class_name="flex items-center justify-between mb-1 text-sm font-medium text-gray-12",
        ),
        control,
        below if not isinstance(error, str) or error else _help(help_text, note),
    )


def _help(text: str | rx.Var[str], note: str) -> rx.Component:
    if isinstance(text, str):
        return rx.el.p(text, id=note, class_name="mt-1 text-sm text-gray-11") if text else rx.fragment()
    return rx.cond(text, rx.el.p(text, id=note, class_name="mt-1 text-sm text-gray-11"), rx.fragment())


def text_input(
    field_id: str, *, invalid: bool | rx.Var[bool] = False, class_name: str = "", **props: Any
) -> rx.Component:
    return rx.el.input(
        id=field_id,
        class_name=f"{INPUT} {class_name}",
        custom_attrs={"aria-invalid": invalid, "aria-describedby": f"{field_id}-note"},
        **props,
    )


def search_input(value: rx.Var[str], on_change: Any, *, label: str) -> rx.Component:
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


def select(value: rx.Var[str], options: list[tuple[str, str]], on_change: Any, *, label: str) -> rx.Component:
    """A native select: quick, and right on a phone."""
    return rx.el.select(
        *[rx.el.option(text, value=key) for key, text in options],
        value=value,
        on_change=on_change,
        class_name=_CONTROL,
        custom_attrs={"aria-label": label},
    )
