"""Settings → Security."""

from typing import Any

import reflex as rx

from agentflow_app.ui.accounts.credentials import PasskeyMaker
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input
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
    return section(
        "Password",
        _line(
            "Password",
            "Changing it ends your other sessions.",
            button("Change", on_click=Security.ask("password", "")),
        ),
    )


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


def _form_dialog(
    question: str,
    title: Any,
    text: Any,
    submit: str,
    handler: Any,
    *fields: rx.Component,
    danger: bool = False,
) -> rx.Component:
    form_id = f"ask-{question}"
    return dialog(
        title,
        rx.el.form(
            *fields,
            form_error(Security.error),
            id=form_id,
            on_submit=handler,
            class_name="flex flex-col gap-4",
        ),
        is_open=Security.asking == question,
        on_open_change=Security.set_asking,
        description=text,
        actions=[button(submit, kind="danger" if danger else "primary", type="submit", form=form_id)],
    )


def _secret(field_id: str, name: str, label: str, complete: str = "current-password") -> rx.Component:
    return labelled(
        label,
        text_input(
            field_id, name=name, type="password", auto_complete=complete, required=True, max_length=256
        ),
        field_id=field_id,
        help_text="At least 8 characters." if complete == "new-password" else "",
    )


def _code(field_id: str) -> rx.Component:
    return labelled(
        "Code",
        text_input(
            field_id,
            name="code",
            auto_complete="one-time-code",
            required=True,
            max_length=40,
            spell_check=False,
        ),
        field_id=field_id,
    )


def _scan() -> rx.Component:
    return dialog(
        "Scan it with your app",
        rx.el.img(
            src=Security.qr,
            alt="QR code for the authenticator app",
            class_name="w-48 h-48 mx-auto rounded-md",
        ),
        rx.el.p(
            "Or type this in: ",
            rx.el.code(Security.secret, class_name="font-mono select-all break-all text-gray-12"),
            class_name="text-sm text-gray-11",
        ),
        rx.el.form(
            _code("scan-code"),
            form_error(Security.error),
            id="ask-scan",
            on_submit=Security.confirm_totp,
            class_name="flex flex-col gap-4",
        ),
        is_open=Security.asking == "scan",
        on_open_change=Security.set_asking,
        description="Then enter the code that it shows.",
        actions=[button("Turn on", kind="primary", type="submit", form="ask-scan")],
    )


def _codes() -> rx.Component:
    return dialog(
        "Keep these recovery codes",
        rx.el.ul(
            rx.foreach(
                Security.codes, lambda code: rx.el.li(code, class_name="font-mono text-base text-gray-12")
            ),
            class_name="grid grid-cols-1 sm:grid-cols-2 gap-1 p-3 rounded-md bg-gray-a2 select-all",
            custom_attrs={"aria-label": "Recovery codes"},
        ),
        is_open=Security.asking == "codes",
        on_open_change=Security.set_asking,
        description="Each logs in once when you have lost your device. They are not shown again.",
        actions=[
            button(
                "Copy",
                icon_name="copy",
                on_click=[
                    rx.set_clipboard(rx.Var.create(Security.codes).to(list).join("\n")),
                    rx.toast.success("Codes copied"),
                ],
            )
        ],
        close="Done",
    )


def _dialogs() -> tuple[rx.Component, ...]:
    return (
        _form_dialog(
            "password",
            "Change your password",
            "Your other sessions end.",
            "Change password",
            Security.change_password,
            _secret("old-password", "old_password", "Old password"),
            _secret("new-password", "new_password", "New password", "new-password"),
        ),
        _form_dialog(
            "totp",
            "Set up an authenticator app",
            "Confirm that it is you first.",
            "Go on",
            Security.begin_totp,
            _secret("totp-password", "password", "Your password"),
        ),
        _scan(),
        _codes(),
        _form_dialog(
            "renew",
            "Make new recovery codes",
            "The codes that you have now stop working.",
            "Make new codes",
            Security.renew_codes,
            _secret("renew-password", "password", "Your password"),
        ),
        _form_dialog(
            "disable",
            "Turn off the authenticator app",
            "Without passkeys, your password alone will log in then.",
            "Turn off",
            Security.disable_totp,
            _secret("disable-password", "password", "Your password"),
            _code("disable-code"),
            danger=True,
        ),
        _form_dialog(
            "passkey",
            "Add a passkey",
            "Your browser will ask you for a device, and for its PIN, finger or face.",
            "Go on",
            Security.begin_passkey,
            labelled(
                "Name",
                text_input(
                    "passkey-name", name="name", placeholder="My laptop", required=True, max_length=100
                ),
                field_id="passkey-name",
            ),
            _secret("passkey-password", "password", "Your password"),
            PasskeyMaker.create(
                asked=Security.asked, on_made=Security.finish_passkey, on_failed=Security.fail_passkey
            ),
        ),
        _form_dialog(
            "rename",
            "Rename the passkey",
            "",
            "Rename",
            Security.rename_passkey,
            labelled(
                "Name",
                text_input(
                    "new-name",
                    name="name",
                    default_value=Security.passkey.name,
                    required=True,
                    max_length=100,
                ),
                field_id="new-name",
            ),
        ),
        _form_dialog(
            "remove",
            rx.fragment("Remove ", Security.passkey.name, "?"),
            "It no longer logs in. Delete it on your device, too.",
            "Remove passkey",
            Security.remove_passkey,
            _secret("remove-password", "password", "Your password"),
            danger=True,
        ),
        confirm_dialog(
            "End this session?",
            rx.fragment(Security.session.title, " is logged out within seconds."),
            "End session",
            is_open=Security.asking == "session",
            on_open_change=Security.set_asking,
            on_confirm=Security.end_session,
        ),
        confirm_dialog(
            "Log out everywhere?",
            "All your sessions end, this one too, and API clients that you logged in.",
            "Log out everywhere",
            is_open=Security.asking == "everywhere",
            on_open_change=Security.set_asking,
            on_confirm=Security.end_everything,
        ),
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
        demanded, _password(), _second_factor(), _passkeys(), _sessions(), class_name="flex flex-col gap-6"
    )
    return settings_page(
        "Security",
        rx.cond(
            Security.failure.status > 0,
            failure_state(Security.failure, Security.load),
            rx.cond(Security.loading, card(skeleton_rows(6)), content),
        ),
        *_dialogs(),
        active="/settings/security",
    )
