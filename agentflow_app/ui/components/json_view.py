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
