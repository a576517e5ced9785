"""Settings → Profile."""

import reflex as rx

from agentflow_app.ui.accounts.profile_state import OwnProfile
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
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
    change = rx.el.form(
        labelled(
            "New address",
            text_input("own-email", name="email", type="email", auto_complete="email", max_length=255),
            field_id="own-email",
            help_text="It counts once you follow the link that is sent there.",
        ),
        labelled(
            "Your password",
            text_input("own-password", name="password", type="password", auto_complete="current-password"),
            field_id="own-password",
        ),
        form_error(OwnProfile.email_error),
        rx.el.div(button("Change the address", type="submit"), class_name="flex justify-end"),
        on_submit=OwnProfile.change_email,
        reset_on_submit=True,
        class_name=_FORM,
    )
    without = rx.el.p(
        "This server sends no mail, so an address can be neither verified nor changed here.",
        class_name="p-4 text-base text-gray-11",
    )
    return section("E-mail address", current, rx.cond(OwnProfile.can_verify, change, without))


def profile_page() -> rx.Component:
    return settings_page(
        "Profile",
        rx.cond(
            OwnProfile.failure.status > 0,
            failure_state(OwnProfile.failure, OwnProfile.load),
            rx.cond(
                OwnProfile.loading,
                card(skeleton_rows(4)),
                rx.el.div(_name(), _email(), class_name="flex flex-col gap-6"),
            ),
        ),
        active="/settings/profile",
    )
