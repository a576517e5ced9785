"""The parts of a credentials form that live in the browser. See `credentials.jsx`."""

from typing import Any

import reflex as rx

LIBRARY = rx.asset("credentials.jsx", shared=True).importable_path


class CredentialsForm(rx.Component):
    """Posts its fields as JSON to `path` and then enters the app; errors go to its notes and its message."""

    library = LIBRARY
    tag = "CredentialsForm"
    path: rx.Var[str]


class FieldNote(rx.Component):
    library = LIBRARY
    tag = "FieldNote"
    name: rx.Var[str]
    help: rx.Var[str]


class FormMessage(rx.Component):
    library = LIBRARY
    tag = "FormMessage"


class SubmitButton(rx.Component):
    library = LIBRARY
    tag = "SubmitButton"
    label: rx.Var[str]
    busy_label: rx.Var[str]


def log_out() -> "rx.vars.FunctionVar[Any]":
    """Ends the session and leaves the app."""
    return rx.vars.FunctionStringVar.create(
        "logOut", _var_data=rx.vars.VarData(imports={LIBRARY: [rx.ImportVar("logOut")]})
    )
