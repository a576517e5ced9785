"""A status as a word, a colour and an icon: never by colour alone."""

import reflex as rx

from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.theme import STATUS_ICONS, STATUS_LABELS, STATUS_TONES

_PILL = {
    "green": "bg-green-a3 text-green-11",
    "blue": "bg-blue-a3 text-blue-11",
    "amber": "bg-amber-a3 text-amber-11",
    "red": "bg-red-a3 text-red-11",
    "gray": "bg-gray-a3 text-gray-11",
}
_TEXT = {
    "green": "text-green-9",
    "blue": "text-blue-9",
    "amber": "text-amber-9",
    "red": "text-red-9",
    "gray": "text-gray-9",
}
_MOVING = {"running", "retrying"}


def _glyph(status: str, size: int, class_name: str = "") -> rx.Component:
    motion = "af-spin" if status in _MOVING else ""
    return icon(STATUS_ICONS[status], size=size, class_name=f"{motion} {class_name}")


def _pill(status: str) -> rx.Component:
    label = STATUS_LABELS.get(status, status).capitalize()
    return rx.el.span(
        _glyph(status, 12),
        label,
        class_name=(
            "inline-flex items-center gap-1 h-5 px-1.5 rounded text-xs font-medium whitespace-nowrap "
            + _PILL[STATUS_TONES[status]]
        ),
        data_status=status,
    )


@rx.memo
def status_badge(status: rx.Var[str]) -> rx.Component:
    """The status of an agent, an execution or a step."""
    return rx.match(status, *((known, _pill(known)) for known in STATUS_TONES), rx.fragment())


@rx.memo
def status_icon(status: rx.Var[str]) -> rx.Component:
    """The same, where a label stands beside it already."""
    return rx.match(
        status,
        *((known, _glyph(known, 16, _TEXT[STATUS_TONES[known]])) for known in STATUS_TONES),
        rx.el.span(class_name="w-4 h-4 inline-block"),
    )


@rx.memo
def demo_badge() -> rx.Component:
    """Marks what the built-in demo model wrote."""
    return rx.tooltip(
        rx.el.span(
            "Demo model",
            class_name=(
                "inline-flex items-center h-5 px-1.5 rounded text-xs font-medium whitespace-nowrap "
                "border border-dashed border-violet-a8 text-violet-11"
            ),
        ),
        content=(
            "Written by the built-in demo model, by text statistics. Add a provider key for real answers."
        ),
    )
