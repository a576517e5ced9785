"""/login/sso: in through the organization's identity provider."""

import reflex as rx

from agentflow_app.ui.accounts.credentials import SubmitButton
from agentflow_app.ui.accounts.page import ALERT, SUBMIT, door
from agentflow_app.ui.accounts.state import Door
from agentflow_app.ui.components.field import labelled, text_input
from agentflow_app.ui.sso.door import SsoForm


def sso_page() -> rx.Component:
    form = SsoForm.create(
        labelled(
            "Work email",
            text_input(
                "email",
                name="email",
                type="email",
                required=True,
                auto_complete="email",
                auto_focus=True,
                default_value=Door.address,
                key=Door.address,
                class_name="h-9",
            ),
            field_id="email",
            help_text="Its domain tells which organization you belong to.",
        ),
        SubmitButton.create(label="Continue", busy_label="One moment…", class_name=SUBMIT),
        class_name="flex flex-col gap-3",
        alert_class=ALERT,
    )
    back = rx.link("Back to log in", href="/login", underline="always")
    return door(
        rx.el.h1("Single sign-on", class_name="text-xl font-semibold text-gray-12"),
        rx.el.p(
            "Sign in where your organization keeps its accounts.",
            class_name="mt-1 mb-5 text-base text-gray-11",
        ),
        form,
        below=rx.el.p(back, class_name="mt-4 text-center text-base text-gray-11"),
    )
