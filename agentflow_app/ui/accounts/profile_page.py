"""Settings → Profile."""

import reflex as rx

from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.accounts.proof import proof_dialog
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.settings.frame import settings_page

_FORM = "flex flex-col gap-4 p-4"


def _name() -> rx.Component:
    return section(
        "Name",
        rx.el.form(
            labelled(
                "How others see you",
                text_input(
                    "own-name",
                    name="name",
                    default_value=OwnProfile.name,
                    max_length=255,
                    auto_complete="name",
                ),
                field_id="own-name",
            ),
            form_error(OwnProfile.error),
            rx.el.div(button("Save", kind="primary", type="submit"), class_name="flex justify-end"),
            on_submit=OwnProfile.save,
            key=OwnProfile.email,
            class_name=_FORM,
        ),
    )


def _badge() -> rx.Component:
    look = "inline-flex items-center h-5 px-1.5 rounded text-xs font-medium"
    return rx.cond(
        OwnProfile.verified,
        rx.el.span("Verified", class_name=f"{look} bg-green-a3 text-green-11"),
        rx.el.span("Not verified", class_name=f"{look} bg-amber-a3 text-amber-11"),
    )


def _email() -> rx.Component:
    resend = button("Send the link again", small=True, on_click=OwnProfile.send_verification)
    current = rx.el.div(
        rx.el.span(OwnProfile.email, class_name="text-base text-gray-12 break-all"),
        _badge(),
        rx.cond(OwnProfile.can_verify & ~OwnProfile.verified, resend),
        class_name="flex flex-wrap items-center gap-2 px-4 pt-4",
    )
    change = rx.el.div(
        button("Change the address…", on_click=OwnProfile.ask("email")),
        class_name="flex justify-end p-4",
    )
    without = rx.el.p(
        "This server sends no mail, so an address can be neither verified nor changed here.",
        class_name="p-4 text-base text-gray-11",
    )
    return section("E-mail address", current, rx.cond(OwnProfile.can_verify, change, without))


def _email_dialog() -> rx.Component:
    return dialog(
        "Change your e-mail address",
        rx.el.form(
            labelled(
                "New address",
                text_input(
                    "own-email",
                    name="email",
                    type="email",
                    required=True,
                    auto_complete="email",
                    max_length=255,
                ),
                field_id="own-email",
            ),
            form_error(OwnProfile.ask_error),
            id="change-email-form",
            on_submit=OwnProfile.change_email,
            class_name="flex flex-col gap-4",
        ),
        is_open=OwnProfile.asking == "email",
        on_open_change=OwnProfile.set_asking,
        description="It counts once you follow the link that is sent there.",
        actions=[button("Send the link", kind="primary", type="submit", form="change-email-form")],
    )


def _line(title: str, text: str, control: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h3(title, class_name="text-base font-medium text-gray-12"),
            rx.el.p(text, class_name="mt-0.5 text-base text-gray-11 text-pretty"),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(control, class_name="shrink-0"),
        class_name=(
            "flex flex-col sm:flex-row sm:items-center gap-3 p-4 border-b border-gray-a4 last:border-0"
        ),
    )


def _delete_dialog() -> rx.Component:
    return dialog(
        "Delete your account?",
        rx.el.form(
            labelled(
                "Type your e-mail address to confirm",
                text_input(
                    "delete-email",
                    name="confirm",
                    required=True,
                    auto_complete="off",
                    placeholder=OwnProfile.email,
                ),
                field_id="delete-email",
            ),
            form_error(OwnProfile.ask_error),
            id="delete-account-form",
            on_submit=OwnProfile.delete_account,
            class_name="flex flex-col gap-4",
        ),
        is_open=OwnProfile.asking == "delete",
        on_open_change=OwnProfile.set_asking,
        description=(
            "You are logged out everywhere, your API keys stop working, and all that names you is erased. "
            "What you made stays with your organizations. This cannot be taken back."
        ),
        actions=[button("Delete my account", kind="danger", type="submit", form="delete-account-form")],
    )


def _data() -> rx.Component:
    return section(
        "Your data",
        _line(
            "Download your data",
            "Profile, memberships, sessions, keys, runs you started and what is noted of you, as JSON.",
            button("Download", icon_name="download", on_click=OwnProfile.export_data),
        ),
        _line(
            "Delete your account",
            "All that names you is erased. Hand over or delete the organizations that only you own first.",
            button("Delete…", on_click=OwnProfile.ask("delete")),
        ),
    )


def profile_page() -> rx.Component:
    return settings_page(
        "Profile",
        rx.cond(
            OwnProfile.failure.status > 0,
            failure_state(OwnProfile.failure, OwnProfile.load),
            rx.cond(
                OwnProfile.loading,
                card(skeleton_rows(4)),
                rx.el.div(_name(), _email(), _data(), class_name="flex flex-col gap-6"),
            ),
        ),
        proof_dialog(OwnProfile),
        _email_dialog(),
        _delete_dialog(),
        active="/settings/profile",
    )
