"""The inbox of decisions."""

import reflex as rx

from agentflow_app.ui.approvals.state import EXECUTION, STEP, ApprovalRow, Approvals
from agentflow_app.ui.components.button import button, link_button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.field import INPUT
from agentflow_app.ui.components.header import page_header
from agentflow_app.ui.components.json_view import json_view
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.schema_form import schema_controls
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import length
from agentflow_app.ui.executions.parts import draft_editor
from agentflow_app.ui.shell import Shell, shell


def _form(item: ApprovalRow) -> rx.Component:
    # A handler within a list cannot be given the item, so that the form itself tells whose it is.
    return rx.el.form(
        rx.el.input(type="hidden", name=EXECUTION, default_value=item.execution_id),
        rx.el.input(type="hidden", name=STEP, default_value=item.step_id),
        schema_controls(item.fields, "form-" + item.step_id),
        rx.el.div(button("Send", kind="primary", icon_name="send", type="submit"), class_name="flex"),
        on_submit=Approvals.answer,
        class_name="flex flex-col gap-3",
    )


def _approval(item: ApprovalRow) -> rx.Component:
    decide = rx.el.div(
        rx.el.input(
            value=Approvals.comments[item.step_id],
            on_change=lambda text: Approvals.set_comment(item.step_id, text),
            placeholder="Comment (optional)",
            max_length=2000,
            class_name=f"{INPUT} flex-1 min-w-full sm:min-w-40",
            custom_attrs={"aria-label": "Comment"},
        ),
        button(
            "Approve",
            kind="primary",
            icon_name="check",
            on_click=Approvals.decide(item.execution_id, item.step_id, "approved"),
        ),
        button(
            "Reject", icon_name="x", on_click=Approvals.decide(item.execution_id, item.step_id, "rejected")
        ),
        class_name="flex flex-wrap gap-2",
    )
    return card(
        rx.el.div(
            rx.link(
                item.agent_name,
                href="/runs/" + item.execution_id,
                class_name="text-base font-medium text-gray-12",
            ),
            relative_time(value=item.since, class_name="text-sm text-gray-11"),
            rx.cond(
                item.until,
                rx.el.span(
                    "Expires ", relative_time(value=item.until), class_name="ml-auto text-sm text-amber-11"
                ),
            ),
            class_name="flex flex-wrap items-center gap-x-3",
        ),
        rx.el.p(item.message, class_name="text-md text-gray-12 whitespace-pre-wrap break-words"),
        rx.cond(
            item.editable & Shell.can_write,
            draft_editor(item.draft, item.step_id, lambda text: Approvals.set_edit(item.step_id, text)),
            rx.cond(item.has_show, json_view(value=item.show, label="What is to be approved")),
        ),
        rx.cond(Shell.can_write, rx.cond(length(item.fields) > 0, _form(item), decide)),
        class_name="flex flex-col gap-3 p-4",
        key=item.step_id,
        data_approval=item.step_id,
    )


def approvals_page() -> rx.Component:
    content = rx.cond(
        Approvals.loading,
        card(skeleton_rows(3)),
        rx.cond(
            length(Approvals.rows) > 0,
            rx.el.div(rx.foreach(Approvals.rows, _approval), class_name="flex flex-col gap-3 max-w-3xl"),
            card(
                empty_state(
                    "inbox",
                    "Nothing waits for you",
                    "When an agent asks for an approval or input, its run pauses and the question is here.",
                    link_button("See runs", "/runs"),
                )
            ),
        ),
    )
    return shell(
        page_header("Approvals"),
        rx.cond(
            Approvals.failure.status > 0,
            failure_state(Approvals.failure, Approvals.load),
            content,
        ),
        active="/approvals",
    )
