"""Lucide icons, by a name known when the app is built or only in the browser."""

from collections.abc import Iterable

import reflex as rx

NODE_ICON_FALLBACK = "box"


def icon(name: str, *, size: int = 16, class_name: str = "") -> rx.Component:
    """A decorative icon: its neighbour text or the control's label names it."""
    return rx.icon(name, size=size, class_name=f"shrink-0 {class_name}", custom_attrs={"aria-hidden": "true"})


def icon_by_name(
    name: rx.Var[str], names: Iterable[str], *, size: int = 16, class_name: str = ""
) -> rx.Component:
    """The icon that `name` says, out of `names`: only these are bundled, none is fetched later."""
    cases = [(known, icon(known, size=size, class_name=class_name)) for known in sorted(set(names))]
    return rx.match(name, *cases, icon(NODE_ICON_FALLBACK, size=size, class_name=class_name))
