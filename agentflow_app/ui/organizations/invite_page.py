"""What an invitation's link opens."""

import reflex as rx

from agentflow_app.ui.accounts.credentials import CredentialsForm, FormMessage, SubmitButton, log_out
from agentflow_app.ui.accounts.page import door, door_field
from agentflow_app.ui.components.button import button, button_class, link_button
from agentflow_app.ui.components.states import skeleton
from agentflow_app.ui.organizations.invite_state import Invite


def _account_form() -> rx.Component:
    return CredentialsForm.create(
        door_field("name", "Your name", auto_complete="name", auto_focus=True),
        door_field(
            "password",
            "Password",
            "At least 8 characters.",
            type="password",
            auto_complete="new-password",
            min_length=8,
        ),
        FormMessage.create(class_name="mb-3 px-3 py-2 rounded-md bg-red-a3 text-base text-red-11"),
        SubmitButton.create(
            label="Create account and join",
            busy_label="One moment…",
            class_name=button_class("primary") + " w-full h-9 mt-1",
        ),
        path=Invite.form_path,
        class_name="flex flex-col gap-3",
    )


def _choice() -> rx.Component:
    return rx.match(
        Invite.signed_in_as,
        (
            "",
            rx.cond(
                Invite.has_account,
                rx.el.div(
                    rx.el.p(
                        "You have an account already. Log in to accept.",
                        class_name="mb-4 text-base text-gray-11",
                    ),
                    link_button("Log in", Invite.login_path, kind="primary"),
                ),
                _account_form(),
            ),
        ),
        (Invite.email, button("Join", kind="primary", on_click=Invite.accept)),
        rx.el.div(
            rx.el.p(
                "You are logged in as ",
                rx.el.span(Invite.signed_in_as, class_name="font-medium text-gray-12 break-all"),
                ". Log out, and open this link again with the address that is invited.",
                class_name="mb-4 text-base text-gray-11",
            ),
            button("Log out", on_click=log_out()),
        ),
    )


def invite_page() -> rx.Component:
    return door(
        rx.cond(
            Invite.loading,
            rx.el.div(
                skeleton("h-5 w-48"),
                skeleton("h-3 w-64 mt-3"),
                skeleton("h-9 w-full mt-6"),
                role="status",
                custom_attrs={"aria-label": "Loading"},
            ),
            rx.cond(
                Invite.failure.status > 0,
                rx.el.div(
                    rx.el.h1(
                        "This invitation does not work", class_name="text-xl font-semibold text-gray-12"
                    ),
                    rx.el.p(Invite.failure.message, class_name="mt-1 mb-5 text-base text-gray-11"),
                    link_button("Go to AgentFlow", "/"),
                    role="alert",
                ),
                rx.el.div(
                    rx.el.h1(
                        "Join ",
                        Invite.organization,
                        class_name="text-xl font-semibold text-gray-12 break-words",
                    ),
                    rx.el.p(
                        rx.el.span(Invite.email, class_name="text-gray-12 break-all"),
                        " is invited as ",
                        Invite.role,
                        ".",
                        class_name="mt-1 mb-5 text-base text-gray-11",
                    ),
                    _choice(),
                ),
            ),
        ),
    )
