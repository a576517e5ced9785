"""The dialog that asks to prove that it is really them; its state is `Proving`."""

from typing import Any

import reflex as rx

from agentflow_app.ui.accounts.credentials import OutwardLink, PasskeyAsker
from agentflow_app.ui.components.button import button, button_class
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input


def proof_dialog(state: Any) -> rx.Component:
    password = _form(
        state,
        "proof-password",
        labelled(
            "Your password",
            text_input(
                "proof-password-field",
                name="password",
                type="password",
                auto_complete="current-password",
                required=True,
                max_length=256,
            ),
            field_id="proof-password-field",
        ),
        "Confirm",
    )
    code = _form(
        state,
        "proof-code",
        labelled(
            "Code of your authenticator app",
            text_input(
                "proof-code-field",
                name="code",
                auto_complete="one-time-code",
                required=True,
                min_length=6,
                max_length=40,
                spell_check=False,
            ),
            field_id="proof-code-field",
        ),
        "Confirm with the code",
    )
    passkey = button(
        "Use a passkey", icon_name="fingerprint", on_click=state.begin_passkey_proof, class_name="w-full h-9"
    )
    links = rx.foreach(
        state.proof_links,
        lambda link: OutwardLink.create(
            label=link.label, href=link.href, class_name=button_class() + " w-full h-9"
        ),
    )
    return dialog(
        "Confirm that it is you",
        form_error(state.proof_error),
        rx.cond(state.proof_password, password),
        rx.cond(state.proof_passkey, passkey),
        rx.cond(state.proof_code, code),
        links,
        PasskeyAsker.create(
            asked=state.proof_asked,
            on_made=state.finish_passkey_proof,
            on_failed=state.fail_passkey_proof,
        ),
        is_open=state.proving,
        on_open_change=state.set_proving,
        description="Then this session may change how you sign in for five minutes.",
    )


def _form(state: Any, form_id: str, field: rx.Component, submit: str) -> rx.Component:
    return rx.el.form(
        field,
        button(submit, type="submit", kind="primary", class_name="w-full h-9"),
        id=form_id,
        on_submit=state.prove,
        class_name="flex flex-col gap-3",
    )
