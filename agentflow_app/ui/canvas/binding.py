"""The builder's store in the browser (`builder.js`), as Vars that pages read and functions that they call.

Nothing here waits for the server: what a Var shows and what an action does happen in the page.
"""

from typing import Any, Final, Literal

import reflex as rx
from reflex.vars import FunctionStringVar, FunctionVar, VarData

# All from this module: what one module brings lands in one folder, where the files find each other.
_FILES = {
    name: rx.asset(name, shared=True).importable_path
    for name in (
        "builder.js",
        "edits.js",
        "fields.js",
        "flow.jsx",
        "graph.js",
        "history.js",
        "layout.js",
        "saving.js",
        "schema.js",
        "store.js",
        "viewport.js",
        "views.js",
    )
}
XYFLOW: Final = "@xyflow/react@12.12.1"
BUILDER, FLOW = _FILES["builder.js"], _FILES["flow.jsx"]

Slice = Literal["palette", "inspector", "query", "status", "problems", "definition"]


def store(name: Slice, kind: Any = dict[str, Any]) -> Any:
    """A slice of what the builder shows, kept current by a hook of the component that uses it."""
    return rx.Var(
        f"builder_{name}",
        _var_type=kind,
        _var_data=VarData(
            imports={BUILDER: [rx.ImportVar("useBuilder")]},
            hooks={f'const builder_{name} = useBuilder("{name}")': None},
        ),
    ).to(kind)


_BUILDER = VarData(imports={BUILDER: [rx.ImportVar("builder")]})


def act(name: str, *arguments: Any) -> FunctionVar[Any]:
    """An event handler that calls the store's `name` with `arguments`, whatever the event is."""
    return _call("()", name, *arguments)


def act_with(name: str, *arguments: Any) -> FunctionVar[Any]:
    """The same for an input: what was typed comes after `arguments`."""
    return _call("(value)", name, *arguments, rx.Var("value"))


def on_tick(name: str, *arguments: Any) -> dict[str, FunctionVar[Any]]:
    """Attributes that make a checkbox call the store's `name` with whether it is ticked after `arguments`."""
    return {"onChange": _call("(event)", name, *arguments, rx.Var("event.target.checked"))}


def on_key(name: str, *arguments: Any) -> dict[str, FunctionVar[Any]]:
    """Attributes that hand each key pressed in a control to the store's `name`, after `arguments`."""
    return {"onKeyDown": _call("(event)", name, *arguments, rx.Var("event"))}


def _call(parameters: str, name: str, *arguments: Any) -> FunctionVar[Any]:
    rendered = [rx.Var.create(argument) for argument in arguments]
    data = VarData.merge(_BUILDER, *(argument._get_all_var_data() for argument in rendered))
    call = ", ".join(str(argument) for argument in rendered)
    return FunctionStringVar.create(f"({parameters} => builder.{name}({call}))", _var_data=data)
