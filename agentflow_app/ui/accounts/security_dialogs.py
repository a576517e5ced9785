"""The questions of Settings → Security: each a dialog, open while the state asks it."""

from typing import Any

import reflex as rx

from agentflow_app.ui.accounts.credentials import PasskeyMaker
from agentflow_app.ui.accounts.proof import proof_dialog
from agentflow_app.ui.accounts.security_state import Security
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input


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


def _sure(
    question: str, title: Any, text: Any, submit: str, handler: Any, *, danger: bool = False
) -> rx.Component:
    return dialog(
        title,
        form_error(Security.error),
        is_open=Security.asking == question,
        on_open_change=Security.set_asking,
        description=text,
        actions=[button(submit, kind="danger" if danger else "primary", on_click=handler)],
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


def security_dialogs() -> tuple[rx.Component, ...]:
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
            "first_password",
            "Set a password",
            "With it you can log in by your e-mail address. Your other sessions end.",
            "Set the password",
            Security.set_password,
            _secret("first-password", "new_password", "New password", "new-password"),
        ),
        proof_dialog(Security),
        _scan(),
        _codes(),
        _sure(
            "renew",
            "Make new recovery codes",
            "The codes that you have now stop working.",
            "Make new codes",
            Security.renew_codes,
        ),
        _form_dialog(
            "disable",
            "Turn off the authenticator app",
            "Without passkeys, no second factor is asked for any more.",
            "Turn off",
            Security.disable_totp,
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
        _sure(
            "remove",
            rx.fragment("Remove ", Security.passkey.name, "?"),
            "It no longer logs in. Delete it on your device, too.",
            "Remove passkey",
            Security.remove_passkey,
            danger=True,
        ),
        _sure(
            "unlink",
            rx.fragment("Unlink ", Security.identity.name, "?"),
            "It no longer proves that it is you. Signing in there with your address links it again.",
            "Unlink",
            Security.unlink,
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
