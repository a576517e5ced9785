"""Settings → Danger zone."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import length
from agentflow_app.ui.organizations.danger_state import Danger, ExportRow
from agentflow_app.ui.settings.frame import settings_page


def act(title: str, text: str, *controls: rx.Component) -> rx.Component:
    """One thing that can be done here, with what it means beside it."""
    return rx.el.div(
        rx.el.div(
            rx.el.h2(title, class_name="text-md font-semibold text-gray-12"),
            rx.el.p(text, class_name="mt-1 text-base text-gray-11 text-pretty"),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(*controls, class_name="flex flex-wrap items-center gap-2 shrink-0"),
        class_name=(
            "flex flex-col sm:flex-row sm:items-center gap-3 p-4 border-b border-gray-a4 last:border-0"
        ),
    )


def _transfer() -> rx.Component:
    return act(
        "Hand over the organization",
        "Somebody else becomes its owner, and you become an admin.",
        rx.cond(
            length(Danger.heirs) > 0,
            rx.fragment(
                rx.el.select(
                    rx.el.option("Choose a member…", value=""),
                    rx.foreach(Danger.heirs, lambda heir: rx.el.option(heir.name, value=heir.id)),
                    value=Danger.heir,
                    on_change=Danger.set_heir,
                    class_name="af-field h-8 px-2 rounded-md text-base text-gray-12 max-w-48",
                    custom_attrs={"aria-label": "The new owner"},
                ),
                button("Hand over…", on_click=Danger.ask("transfer")),
            ),
            rx.el.span("There is no other active member.", class_name="text-base text-gray-11"),
        ),
    )


def _export(each: ExportRow) -> rx.Component:
    return rx.el.li(
        status_badge(status=each.status),
        relative_time(value=each.made, class_name="text-base text-gray-11"),
        rx.el.span(each.size, class_name="text-base text-gray-11 tabular-nums"),
        rx.cond(
            each.status == "completed",
            rx.el.div(
                button("Download", small=True, icon_name="download", on_click=Danger.download(each.id)),
                class_name="ml-auto",
            ),
        ),
        class_name="flex items-center gap-3 min-h-9",
        key=each.id,
    )


def _exporting() -> rx.Component:
    return rx.el.div(
        act(
            "Export everything",
            "Agents, versions, runs, members and settings as one zip of JSON lines, without secrets. "
            "Files are kept for a week.",
            button("Export", icon_name="package", on_click=Danger.export, disabled=Danger.pending),
        ),
        rx.cond(
            length(Danger.exports) > 0,
            rx.el.ul(rx.foreach(Danger.exports, _export), class_name="px-4 py-2 border-b border-gray-a4"),
        ),
    )


def _delete_dialog() -> rx.Component:
    return dialog(
        "Delete " + Danger.organization + "?",
        rx.el.form(
            labelled(
                "Type the short name to confirm",
                text_input(
                    "delete-confirm",
                    name="confirm",
                    required=True,
                    auto_complete="off",
                    placeholder=Danger.slug,
                    class_name="font-mono",
                ),
                field_id="delete-confirm",
            ),
            rx.cond(
                ~Danger.ready,
                rx.el.label(
                    rx.el.input(type="checkbox", name="without_export"),
                    "Delete without an export of the last day",
                    class_name="flex items-center gap-2 text-base text-gray-12",
                ),
            ),
            form_error(Danger.error),
            id="delete-form",
            on_submit=Danger.delete,
            class_name="flex flex-col gap-4",
        ),
        is_open=Danger.asking == "delete",
        on_open_change=Danger.set_asking,
        description=(
            "Everybody is shut out at once, runs stop, and webhooks and keys no longer work. "
            "After a while everything is removed for good."
        ),
        actions=[button("Delete the organization", kind="danger", type="submit", form="delete-form")],
    )


def danger_page() -> rx.Component:
    return settings_page(
        "Danger zone",
        rx.cond(
            Danger.failure.status > 0,
            failure_state(Danger.failure, Danger.load),
            rx.cond(
                Danger.loading,
                card(skeleton_rows(2)),
                card(
                    rx.cond(Danger.owner, rx.fragment(_exporting(), _transfer())),
                    act(
                        "Leave the organization",
                        "You lose access at once, and the API keys that you made stop working. "
                        "An owner can leave when there is another one.",
                        button("Leave…", on_click=Danger.ask("leave")),
                    ),
                    rx.cond(
                        Danger.owner,
                        act(
                            "Delete the organization",
                            "Agents, runs, secrets and everything else go with it. Export it first.",
                            button("Delete…", kind="danger", on_click=Danger.ask("delete")),
                        ),
                    ),
                    class_name="overflow-hidden",
                ),
            ),
        ),
        _delete_dialog(),
        confirm_dialog(
            "Leave " + Danger.organization + "?",
            "To come back you need a new invitation.",
            "Leave",
            is_open=Danger.asking == "leave",
            on_open_change=Danger.set_asking,
            on_confirm=Danger.leave,
        ),
        confirm_dialog(
            "Hand over " + Danger.organization + "?",
            "You will no longer be able to undo this: only the new owner can.",
            "Hand over",
            is_open=Danger.asking == "transfer",
            on_open_change=Danger.set_asking,
            on_confirm=Danger.transfer,
        ),
        active="/settings/danger",
    )
