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
