"""Sign up and log in. The form is sent by the browser itself, never through the page's state."""

from typing import Any

import reflex as rx

from agentflow_app.ui.accounts.credentials import (
    CredentialsForm,
    FieldNote,
    FirstStep,
    FormMessage,
    IfMethod,
    IfPassword,
    LoginSteps,
    PasskeyButton,
    RealmButton,
    SecondStep,
    StartAgain,
    SubmitButton,
)
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.components.button import button_class
from agentflow_app.ui.components.field import text_input
from agentflow_app.ui.shell import brand
from agentflow_app.ui.sso.door import DoorProblem, SocialLinks, SsoLink

ALERT = "mb-3 px-3 py-2 rounded-md bg-red-a3 text-base text-red-11"
SUBMIT = button_class("primary") + " w-full h-9 mt-1"


def _social() -> rx.Component:
    return SocialLinks.create(
        providers=Door.providers,
        link_class=button_class() + " w-full h-9",
        class_name="mt-2 flex flex-col gap-2",
    )


def door_field(name: str, label: str, help_text: str = "", **props: Any) -> rx.Component:
    return rx.el.div(
        rx.el.label(label, html_for=name, class_name="block mb-1 text-sm font-medium text-gray-12"),
        text_input(name, name=name, required=True, class_name="h-9", **props),
        FieldNote.create(name=name, help=help_text),
    )


def _page(
    title: str, text: str, path: str, submit: str, fields: list[rx.Component], other: rx.Component
) -> rx.Component:
    form = CredentialsForm.create(
        *fields,
        FormMessage.create(class_name=ALERT),
        SubmitButton.create(label=submit, busy_label="One moment…", class_name=SUBMIT),
        path=path,
        class_name="flex flex-col gap-3",
    )
    return door(
        rx.el.h1(title, class_name="text-xl font-semibold text-gray-12"),
        rx.el.p(text, class_name="mt-1 mb-5 text-base text-gray-11"),
        form,
        _social(),
        below=rx.el.p(other, class_name="mt-4 text-center text-base text-gray-11"),
    )


def door(*children: Any, below: rx.Component | None = None) -> rx.Component:
    """A page for whoever is not in yet: one card in the middle."""
    return rx.el.main(
        rx.el.div(
            rx.el.div(
                brand(),
                rx.el.span("AgentFlow", class_name="text-lg font-semibold text-gray-12"),
                class_name="flex items-center justify-center gap-2",
            ),
            rx.el.div(
                *children, class_name="mt-6 p-6 bg-panel border border-gray-a5 rounded-xl shadow-float"
            ),
            below or rx.fragment(),
            class_name="w-full max-w-[400px]",
        ),
        id="main",
        class_name="flex items-center justify-center min-h-screen px-4 py-8 bg-gray-2",
    )


def sign_up_page() -> rx.Component:
    return _page(
        "Create your account",
        "Draw AI agents on a canvas, run them durably, and trust them.",
        "/api/v1/auth/signup?session=page",
        "Sign up",
        [
            door_field("name", "Your name", auto_complete="name", auto_focus=True),
            door_field("email", "Work email", type="email", auto_complete="email"),
            door_field(
                "password",
                "Password",
                "At least 8 characters.",
                type="password",
                auto_complete="new-password",
                min_length=8,
            ),
            door_field("org_name", "Organization", "Your company or team.", auto_complete="organization"),
        ],
        rx.fragment("Have an account? ", rx.link("Log in", href="/login", underline="always")),
    )


def log_in_page() -> rx.Component:
    form = CredentialsForm.create(
        door_field("email", "Email", type="email", auto_complete="username webauthn", auto_focus=True),
        IfPassword.create(
            door_field("password", "Password", type="password", auto_complete="current-password"),
            FormMessage.create(class_name=ALERT),
            SubmitButton.create(label="Log in", busy_label="One moment…", class_name=SUBMIT),
        ),
        RealmButton.create(
            class_name=button_class() + " w-full h-9",
            primary_class=SUBMIT,
            link_class="text-accent-11 underline hover:no-underline",
        ),
        path="/api/v1/auth/login?session=page",
        realm=True,
        class_name="flex flex-col gap-3",
    )
    first = FirstStep.create(
        rx.el.h1("Log in", class_name="text-xl font-semibold text-gray-12"),
        rx.el.p("Welcome back.", class_name="mt-1 mb-5 text-base text-gray-11"),
        DoorProblem.create(class_name=ALERT),
        form,
        rx.el.div(
            PasskeyButton.create(
                label="Log in with a passkey",
                busy_label="Waiting for your device…",
                class_name=button_class() + " w-full h-9",
            ),
            class_name="mt-3",
        ),
        rx.el.div(
            SsoLink.create(label="Continue with SSO", class_name=button_class() + " w-full h-9"),
            class_name="mt-2",
        ),
        _social(),
        rx.el.p(
            rx.link("Forgot your password?", href="/forgot", underline="always"),
            class_name="mt-3 text-base text-gray-11",
        ),
    )
    other = rx.fragment("New here? ", rx.link("Create an account", href="/signup", underline="always"))
    return door(
        LoginSteps.create(first, _second_step()),
        below=rx.el.p(other, class_name="mt-4 text-center text-base text-gray-11"),
    )


def _second_step() -> rx.Component:
    code = CredentialsForm.create(
        door_field(
            "code",
            "Code",
            "Six digits, or one of your recovery codes.",
            auto_complete="one-time-code",
            min_length=6,
            max_length=40,
            auto_focus=True,
            spell_check=False,
        ),
        FormMessage.create(class_name=ALERT),
        SubmitButton.create(label="Confirm", busy_label="One moment…", class_name=SUBMIT),
        path="/api/v1/auth/login/second-factor?session=page",
        class_name="flex flex-col gap-3",
    )
    return SecondStep.create(
        rx.el.h1("Confirm that it is you", class_name="text-xl font-semibold text-gray-12"),
        IfMethod.create(
            rx.el.p(
                "Enter the code that your authenticator app shows.",
                class_name="mt-1 mb-5 text-base text-gray-11",
            ),
            method="totp",
        ),
        IfMethod.create(
            rx.el.p(
                "Use your passkey, or one of your recovery codes.",
                class_name="mt-1 mb-5 text-base text-gray-11",
            ),
            method="totp",
            without=True,
        ),
        code,
        IfMethod.create(
            rx.el.div(
                PasskeyButton.create(
                    label="Use a passkey",
                    busy_label="Waiting for your device…",
                    class_name=button_class() + " w-full h-9",
                ),
                class_name="mt-3",
            ),
            method="passkey",
        ),
        StartAgain.create(
            label="Start again", class_name="mt-3 text-base text-accent-11 underline hover:no-underline"
        ),
    )
