"""The parts of a credentials form that live in the browser. See `credentials.jsx`."""

from typing import Any

import reflex as rx

LIBRARY = rx.asset("credentials.jsx", shared=True).importable_path
rx.asset("passkey.js", shared=True)  # which it imports
rx.asset("realm.js", shared=True)


class CredentialsForm(rx.Component):
    """Posts its fields as JSON to `path`; errors go to its notes and its message.

    Then it enters the app, or says `done`. `carried`: a token after the address' # goes along. `realm`: the
    address' domain is asked for its single sign-on, which `IfPassword` and `RealmButton` inside go by.
    """

    library = LIBRARY
    tag = "CredentialsForm"
    path: rx.Var[str]
    done: rx.Var[str]
    carried: rx.Var[bool]
    realm: rx.Var[bool]


class IfPassword(rx.Component):
    """What it holds is for a password, which some organizations do not take."""

    library = LIBRARY
    tag = "IfPassword"


class RealmButton(rx.Component):
    """Leads to the single sign-on of the typed address' domain; nothing where it has none."""

    library = LIBRARY
    tag = "RealmButton"
    primary_class: rx.Var[str]
    link_class: rx.Var[str]


class LoginSteps(rx.Component):
    """Around `FirstStep` and, once a second factor is asked for, `SecondStep`."""

    library = LIBRARY
    tag = "LoginSteps"


class FirstStep(rx.Component):
    library = LIBRARY
    tag = "FirstStep"


class SecondStep(rx.Component):
    library = LIBRARY
    tag = "SecondStep"


class IfMethod(rx.Component):
    """What it holds is shown where the account has the `method` (or, with `without`, where it has not)."""

    library = LIBRARY
    tag = "IfMethod"
    method: rx.Var[str]
    without: rx.Var[bool]


class StartAgain(rx.Component):
    library = LIBRARY
    tag = "StartAgain"
    label: rx.Var[str]


class PasskeyButton(rx.Component):
    """Logs in by a passkey: alone, or as the second step."""

    library = LIBRARY
    tag = "PasskeyButton"
    label: rx.Var[str]
    busy_label: rx.Var[str]


def _made(credential: rx.Var[dict[str, Any]]) -> tuple[rx.Var[dict[str, Any]]]:
    return (credential,)


def _failed(message: rx.Var[str]) -> tuple[rx.Var[str]]:
    return (message,)


class PasskeyMaker(rx.Component):
    """Has the device make a passkey for `asked` {challenge, options}, anew for each challenge."""

    library = LIBRARY
    tag = "PasskeyMaker"
    asked: rx.Var[dict[str, Any]]
    on_made: rx.EventHandler[_made]  # type: ignore[valid-type,type-arg]  # how Reflex declares arguments
    on_failed: rx.EventHandler[_failed]  # type: ignore[valid-type,type-arg]


class PasskeyAsker(rx.Component):
    """Has a passkey sign what `asked` {challenge, options} holds, anew for each challenge."""

    library = LIBRARY
    tag = "PasskeyAsker"
    asked: rx.Var[dict[str, Any]]
    on_made: rx.EventHandler[_made]  # type: ignore[valid-type,type-arg]  # how Reflex declares arguments
    on_failed: rx.EventHandler[_failed]  # type: ignore[valid-type,type-arg]


class OutwardLink(rx.Component):
    """To a place that is none of the app's pages, which its router would look for."""

    library = LIBRARY
    tag = "OutwardLink"
    label: rx.Var[str]
    href: rx.Var[str]


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
