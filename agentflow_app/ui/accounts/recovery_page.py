"""What needs no login: asking for a new password, choosing it, and proving an address."""

import reflex as rx

from agentflow_app.ui.accounts.credentials import CredentialsForm, FormMessage, SubmitButton
from agentflow_app.ui.accounts.page import ALERT, SUBMIT, door, door_field
from agentflow_app.ui.accounts.state import Door

_TEXT = "mt-1 mb-5 text-base text-gray-11"
_TITLE = "text-xl font-semibold text-gray-12"


def _back() -> rx.Component:
    link = rx.link("Back to log in", href="/login", underline="always")
    return rx.el.p(link, class_name="mt-4 text-center text-base text-gray-11")


def forgot_page() -> rx.Component:
    form = CredentialsForm.create(
        door_field("email", "Email", type="email", auto_complete="email", auto_focus=True),
        FormMessage.create(class_name=ALERT),
        SubmitButton.create(label="Send me a link", busy_label="One moment…", class_name=SUBMIT),
        path="/api/v1/auth/password/forgot",
        done="If there is an account with this address, a link is on its way. It works for one hour.",
        class_name="flex flex-col gap-3",
    )
    without = rx.el.p(
        "This server sends no mail. Ask whoever runs it for a link: ",
        rx.el.code("agentflow user reset-link EMAIL", class_name="font-mono"),
        " makes one.",
        class_name="mt-3 text-base text-gray-12",
    )
    return door(
        rx.el.h1("Forgot your password?", class_name=_TITLE),
        rx.cond(
            Door.sends_mail,
            rx.fragment(rx.el.p("Choose a new one by a link that is sent to you.", class_name=_TEXT), form),
            without,
        ),
        below=_back(),
    )


def reset_page() -> rx.Component:
    form = CredentialsForm.create(
        door_field(
            "password",
            "New password",
            "At least 8 characters.",
            type="password",
            auto_complete="new-password",
            min_length=8,
            auto_focus=True,
        ),
        FormMessage.create(class_name=ALERT),
        SubmitButton.create(label="Set the password", busy_label="One moment…", class_name=SUBMIT),
        path="/api/v1/auth/password/reset",
        carried=True,
        done="Your password is set, and you were logged out everywhere. Log in with it now.",
        class_name="flex flex-col gap-3",
    )
    return door(
        rx.el.h1("Choose a new password", class_name=_TITLE),
        rx.el.p("Everything that is logged in to your account will be logged out.", class_name=_TEXT),
        form,
        below=_back(),
    )


def verify_page() -> rx.Component:
    form = CredentialsForm.create(
        FormMessage.create(class_name=ALERT),
        SubmitButton.create(label="Yes, this is my address", busy_label="One moment…", class_name=SUBMIT),
        path="/api/v1/auth/verify",
        carried=True,
        done="Thank you, your address is confirmed.",
        class_name="flex flex-col gap-3",
    )
    home = rx.link("Go to AgentFlow", href="/", underline="always")
    return door(
        rx.el.h1("Confirm your address", class_name=_TITLE),
        rx.el.p("You followed the link that was sent to it.", class_name=_TEXT),
        form,
        below=rx.el.p(home, class_name="mt-4 text-center text-base text-gray-11"),
    )
