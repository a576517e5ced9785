"""Times as people say them."""

import reflex as rx


class RelativeTime(rx.Component):
    """“3 min. ago”, kept current, the exact local time on hover. `value` is RFC 3339; empty shows nothing."""

    library = rx.asset("relative_time.jsx", shared=True).importable_path
    tag = "RelativeTime"
    value: rx.Var[str]


relative_time = RelativeTime.create
