"""Buttons: one primary per view, the rest quiet. Icon-only ones carry a label and a tooltip."""

from typing import Any, Literal

import reflex as rx

from agentflow_app.ui.components.icon import icon

Kind = Literal["primary", "secondary", "ghost", "danger"]

_LOOK: dict[Kind, str] = {
    "primary": "bg-accent-9 text-contrast hover:bg-accent-10 border border-transparent",
    "secondary": "bg-panel text-gray-12 border border-gray-a6 hover:bg-gray-a2 hover:border-gray-a8",
    "ghost": "bg-transparent text-gray-11 border border-transparent hover:bg-gray-a3 hover:text-gray-12",
    "danger": "bg-danger text-white border border-transparent hover:bg-danger-hover",
}
_BASE = (
    "inline-flex items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap select-none "
    "transition-colors duration-100 disabled:opacity-50 disabled:cursor-not-allowed"
)
_NORMAL = "h-8 px-3 text-base"
_SMALL = "h-7 px-2 text-sm"


def button_class(kind: Kind = "secondary", *, small: bool = False) -> str:
    """The look alone, for what must be another element."""
    return f"{_BASE} {_LOOK[kind]} {_SMALL if small else _NORMAL}"


def button(
    label: str | rx.Var[str] | rx.Component,
    *,
    kind: Kind = "secondary",
    icon_name: str | None = None,
    small: bool = False,
    loading: bool | rx.Var[bool] = False,
    class_name: str = "",
    **props: Any,
) -> rx.Component:
    """A button of 32 px, or 28 px where `small`. While `loading` it spins and is disabled."""
    props.setdefault("type", "button")
    disabled = props.pop("disabled", False)
    leading: list[Any] = []
    if isinstance(loading, rx.Var):
        spinner = icon("loader-circle", size=14, class_name="af-spin")
        leading = [rx.cond(loading, spinner, icon(icon_name, size=14) if icon_name else rx.fragment())]
        disabled = loading | disabled if isinstance(disabled, rx.Var) else loading
    elif icon_name:
        leading = [icon(icon_name, size=14)]
    return rx.el.button(
        *leading,
        label,
        class_name=f"{button_class(kind, small=small)} {class_name}",
        disabled=disabled,
        **props,
    )


def icon_button(
    icon_name: str,
    label: str | rx.Var[str],
    *,
    kind: Kind = "ghost",
    small: bool = False,
    class_name: str = "",
    **props: Any,
) -> rx.Component:
    """A square button whose `label` is read out and shown on hover."""
    size = "h-7 w-7" if small else "h-8 w-8"
    return rx.tooltip(
        rx.el.button(
            icon(icon_name, size=16),
            type="button",
            class_name=f"{_BASE} {_LOOK[kind]} {size} shrink-0 {class_name}",
            custom_attrs={"aria-label": label},
            **props,
        ),
        content=label,
    )


def link_button(
    label: str,
    href: str | rx.Var[str],
    *,
    kind: Kind = "secondary",
    icon_name: str | None = None,
    small: bool = False,
) -> rx.Component:
    """A link that looks like a button: it navigates, so it can be opened in a new tab."""
    return rx.link(
        *([icon(icon_name, size=14)] if icon_name else []),
        label,
        href=href,
        underline="none",
        class_name=button_class(kind, small=small),
    )
