"""Settings → Security."""

from typing import Any

import reflex as rx

from agentflow_app.ui.accounts.security_dialogs import security_dialogs
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.settings.frame import settings_page

_LINE = (
    "flex flex-wrap items-center justify-between gap-x-4 gap-y-2 px-4 py-3 "
    "border-b border-gray-a3 last:border-0"
)


def _line(title: Any, text: Any, *actions: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.div(title, class_name="text-base font-medium text-gray-12 break-words"),
            rx.el.div(text, class_name="text-sm text-gray-11"),
            class_name="min-w-0 flex-1 basis-52",
        ),
        rx.el.div(*actions, class_name="flex items-center gap-2 shrink-0"),
        class_name=_LINE,
    )


def _password() -> rx.Component:
    change = _line(
        "Password",
        "Changing it ends your other sessions.",
        button("Change", on_click=Security.ask("password", "")),
    )
    none = _line(
        "Password",
        "You have none: you sign in another way.",
        button("Set a password", on_click=Security.ask("first_password", "")),
    )
    return section("Password", rx.cond(Security.has_password, change, none))


def _second_factor() -> rx.Component:
    off = _line(
        "Authenticator app",
        "Off. With it, a stolen password alone does not log in.",
        button("Set up", kind="primary", on_click=Security.ask("totp", "")),
    )
    on = _line(
        "Authenticator app",
        rx.fragment("On since ", relative_time(value=Security.totp_since), "."),
        button("Turn off", on_click=Security.ask("disable", "")),
    )
    codes = _line(
        "Recovery codes",
        rx.fragment(Security.codes_left, " left. Each logs in once when you have lost the rest."),
        button("Make new ones", on_click=Security.ask("renew", "")),
    )
    return section(
        "Second factor",
        rx.cond(Security.totp_since, on, off),
        rx.cond(Security.has_second_factor, codes),
    )


def _passkey(row: Any) -> rx.Component:
    used = rx.cond(row.used, rx.fragment(" · used ", relative_time(value=row.used)), " · not used yet")
    return _line(
        row.name,
        rx.fragment("Added ", relative_time(value=row.since), used),
        icon_button("pencil", rx.Var.create("Rename ") + row.name, on_click=Security.ask("rename", row.id)),
        icon_button("trash-2", rx.Var.create("Remove ") + row.name, on_click=Security.ask("remove", row.id)),
    )


def _passkeys() -> rx.Component:
    none = rx.el.p(
        "None yet. A passkey logs in with your finger, face or PIN instead of a password.",
        class_name="px-4 py-3 text-base text-gray-11",
    )
    return section(
        "Passkeys",
        rx.cond(Security.passkeys, rx.foreach(Security.passkeys, _passkey), none),
        action=button("Add a passkey", icon_name="plus", on_click=Security.ask("passkey", "")),
    )


def _identity(row: Any) -> rx.Component:
    return _line(
        row.name,
        rx.fragment(row.kind, " · linked ", relative_time(value=row.since)),
        button("Unlink", small=True, on_click=Security.ask("unlink", row.id)),
    )


def _identities() -> rx.Component:
    none = rx.el.p(
        "None yet. Sign in with Google, GitHub or single sign-on once, and it is listed here.",
        class_name="px-4 py-3 text-base text-gray-11",
    )
    return section(
        "Linked accounts",
        rx.cond(Security.identities, rx.foreach(Security.identities, _identity), none),
    )


def _session(row: Any) -> rx.Component:
    here = rx.el.span(
        "This one",
        class_name=(
            "inline-flex items-center h-5 px-1.5 rounded text-xs font-medium bg-green-a3 text-green-11"
        ),
    )
    return _line(
        row.title,
        rx.fragment(
            row.place, " · seen ", relative_time(value=row.seen), " · since ", relative_time(value=row.since)
        ),
        rx.cond(
            row.current,
            here,
            button("End", small=True, on_click=Security.ask("session", row.id)),
        ),
    )


def _sessions() -> rx.Component:
    return section(
        "Sessions",
        rx.foreach(Security.sessions, _session),
        action=button("Log out everywhere", on_click=Security.ask("everywhere", "")),
    )


def security_page() -> rx.Component:
    demanded = rx.cond(
        Security.demanded,
        rx.el.div(
            icon("shield-alert", size=16),
            "Your organization demands a second factor. Set up an authenticator app or a passkey to go on.",
            role="status",
            class_name="flex items-start gap-2 px-4 py-3 rounded-lg bg-amber-a3 text-base text-amber-11",
        ),
    )
    content = rx.el.div(
        demanded,
        _password(),
        _second_factor(),
        _passkeys(),
        _identities(),
        _sessions(),
        class_name="flex flex-col gap-6",
    )
    return settings_page(
        "Security",
        rx.cond(
            Security.failure.status > 0,
            failure_state(Security.failure, Security.load),
            rx.cond(Security.loading, card(skeleton_rows(6)), content),
        ),
        *security_dialogs(),
        active="/settings/security",
    )
