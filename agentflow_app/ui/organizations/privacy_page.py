"""Settings → Data & privacy."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.field import TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.organizations.privacy_state import Privacy
from agentflow_app.ui.settings.frame import settings_page


def _days(field_id: str, name: str, label: str, value: str | rx.Var[str], note: str) -> rx.Component:
    return labelled(
        label,
        rx.el.div(
            text_input(
                field_id,
                name=name,
                type="number",
                min=1,
                max=3650,
                default_value=value,
                placeholder="Forever",
                disabled=~Privacy.editable,
                class_name="max-w-32",
            ),
            rx.el.span("days", class_name="text-base text-gray-11"),
            class_name="flex items-center gap-2",
        ),
        field_id=field_id,
        help_text=note,
    )


def _retention() -> rx.Component:
    return section(
        "How long runs are kept",
        rx.el.div(
            _days(
                "privacy-runs",
                "run_days",
                "Runs, after their end",
                Privacy.run_days,
                "With their steps, logs and events. What runs or waits is never removed; what was consumed "
                "stays on record.",
            ),
            _days(
                "privacy-logs",
                "log_days",
                "Logs, after the end of their run",
                Privacy.log_days,
                "Empty: as long as the run.",
            ),
            class_name="flex flex-col gap-4 p-4",
        ),
    )


def _redaction() -> rx.Component:
    return section(
        "What is taken out of runs",
        rx.el.div(
            labelled(
                "Names of fields",
                rx.el.textarea(
                    id="privacy-fields",
                    name="fields",
                    default_value=Privacy.fields,
                    rows=4,
                    placeholder="ssn\ncard_*",
                    spell_check=False,
                    disabled=~Privacy.editable,
                    class_name=f"{TEXTAREA} font-mono",
                    custom_attrs={"aria-describedby": "privacy-fields-note"},
                ),
                field_id="privacy-fields",
                help_text=(
                    "One on each line; card_* stands for all that begin so, and case does not matter. "
                    "When a run ends, values under these names become [redacted] in all that was noted of "
                    "it, for good. Runs that have ended already, and what a text says, stay as they are."
                ),
            ),
            class_name="p-4",
        ),
    )


def _form() -> rx.Component:
    return rx.el.form(
        _retention(),
        _redaction(),
        form_error(Privacy.error),
        rx.cond(
            Privacy.editable,
            rx.el.div(button("Save", kind="primary", type="submit"), class_name="flex justify-end"),
            rx.el.p("Only owners and admins change this.", class_name="text-sm text-gray-11"),
        ),
        on_submit=Privacy.save,
        key=Privacy.org_id,
        class_name="flex flex-col gap-6",
    )


def privacy_page() -> rx.Component:
    return settings_page(
        "Data & privacy",
        rx.cond(
            Privacy.failure.status > 0,
            failure_state(Privacy.failure, Privacy.load),
            rx.cond(Privacy.loading, card(skeleton_rows(4)), _form()),
        ),
        active="/settings/privacy",
    )
