"""JSON and text as data: shown, unfolded, copied, never rendered as markup."""

from typing import Any

import reflex as rx


class JsonView(rx.Component):
    """A JSON value as a tree. `label` is what a screen reader calls it."""

    library = rx.asset("json_view.jsx", shared=True).importable_path
    tag = "JsonView"
    value: rx.Var[Any]
    label: rx.Var[str]


json_view = JsonView.create


def code_block(text: str | rx.Var[str], *, label: str) -> rx.Component:
    """Preformatted text, wrapped."""
    return rx.el.pre(
        text,
        tab_index=0,
        custom_attrs={"aria-label": label},
        class_name=(
            "af-scroll overflow-auto max-h-96 p-3 rounded-md border border-gray-a4 bg-gray-a2 font-mono text-sm "
            "text-gray-12 whitespace-pre-wrap break-words"
        ),
    )
