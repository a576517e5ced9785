"""Settings → Secrets & variables."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.settings.frame import settings_page
from agentflow_app.ui.vault.secrets_state import KeptRow, Secrets


def _menu(kept: KeptRow, kind: str) -> rx.Component:
    return row_menu(
        "More about " + kept.name,
        menu_item("pencil", "Change…", Secrets.open_form(kind, kept.id)),
        menu_item("trash-2", "Delete…", Secrets.ask_delete(kind, kept.id), danger=True),
    )


def _name(kept: KeptRow, *more: Any) -> rx.Component:
    return cell(
        rx.el.code(kept.name, class_name="font-mono text-sm font-medium text-gray-12"),
        *more,
        rx.cond(
            kept.description,
            rx.el.span(kept.description, class_name="block text-sm text-gray-11 truncate"),
        ),
        class_name="max-w-0 w-full truncate py-1.5",
    )


def _changed(kept: KeptRow) -> rx.Component:
    return cell(
        relative_time(value=kept.updated),
        rx.cond(kept.by, rx.el.span(" by ", kept.by)),
        class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
    )


def _secret(kept: KeptRow) -> rx.Component:
    return row(
        _name(kept),
        cell(
            rx.cond(kept.used, relative_time(value=kept.used), "Never"),
            class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
        ),
        _changed(kept),
        cell(rx.cond(Secrets.edits_secrets, _menu(kept, "secret")), class_name="w-10 !pl-0"),
        key=kept.id,
        data_secret=kept.name,
    )


def _variable(kept: KeptRow) -> rx.Component:
    value = rx.el.code(kept.value, class_name="ml-2 font-mono text-sm text-gray-11")
    return row(
        _name(kept, value),
        _changed(kept),
        cell(rx.cond(Secrets.edits_variables, _menu(kept, "variable")), class_name="w-10 !pl-0"),
        key=kept.id,
        data_variable=kept.name,
    )


def _secrets() -> rx.Component:
    new = button("New secret", icon_name="plus", small=True, on_click=Secrets.open_form("secret", ""))
    return section(
        "Secrets",
        rx.cond(
            length(Secrets.secrets) > 0,
            rx.fragment(
                table(
                    [("Name", ""), ("Last used", WIDE), ("Changed", WIDE), ("", "w-10")],
                    rx.foreach(Secrets.secrets, _secret),
                    label="Secrets",
                ),
                pager(Secrets.more_secrets, Secrets.load_more_secrets, False),
            ),
            empty_state(
                "lock-keyhole",
                "No secrets yet",
                "Actions use a secret as {{ secrets.NAME }}. Its value goes in, and is never shown again.",
                rx.cond(
                    Secrets.edits_secrets,
                    button(
                        "New secret",
                        kind="primary",
                        icon_name="plus",
                        on_click=Secrets.open_form("secret", ""),
                    ),
                ),
            ),
        ),
        action=rx.cond(Secrets.edits_secrets & (length(Secrets.secrets) > 0), new),
    )


def _variables() -> rx.Component:
    new = button("New variable", icon_name="plus", small=True, on_click=Secrets.open_form("variable", ""))
    return section(
        "Variables",
        rx.cond(
            length(Secrets.variables) > 0,
            rx.fragment(
                table(
                    [("Name", ""), ("Changed", WIDE), ("", "w-10")],
                    rx.foreach(Secrets.variables, _variable),
                    label="Variables",
                ),
                pager(Secrets.more_variables, Secrets.load_more_variables, False),
            ),
            empty_state(
                "variable",
                "No variables yet",
                "Every node can use a variable as {{ vars.name }}. Everybody here can read it.",
                rx.cond(
                    Secrets.edits_variables,
                    button("New variable", icon_name="plus", on_click=Secrets.open_form("variable", "")),
                ),
            ),
        ),
        action=rx.cond(Secrets.edits_variables & (length(Secrets.variables) > 0), new),
    )


def _form() -> rx.Component:
    is_new: Any = Secrets.target.id == ""
    is_secret: Any = Secrets.kind == "secret"
    return rx.el.form(
        rx.cond(
            is_new,
            labelled(
                "Name",
                text_input(
                    "kept-name",
                    name="name",
                    required=True,
                    max_length=64,
                    auto_focus=True,
                    auto_complete="off",
                    spell_check=False,
                    placeholder=rx.cond(is_secret, "STRIPE_KEY", "region"),
                    class_name="font-mono",
                ),
                field_id="kept-name",
                help_text=rx.el.span(
                    rx.cond(
                        is_secret,
                        "Capital letters, digits and _; used as {{ secrets.NAME }}.",
                        "Letters, digits and _; used as {{ vars.name }}.",
                    )
                ),
            ),
        ),
        labelled(
            "Value",
            rx.el.textarea(
                id="kept-value",
                name="value",
                rows=3,
                default_value=rx.cond(is_secret, "", Secrets.target.value),
                placeholder=rx.cond(is_secret & ~is_new, "Unchanged", ""),
                required=rx.cond(is_secret, is_new, False),
                spell_check=False,
                auto_complete="off",
                class_name=f"{TEXTAREA} font-mono text-sm",
                custom_attrs={"aria-describedby": "kept-value-note"},
            ),
            field_id="kept-value",
            help_text=rx.el.span(
                rx.cond(
                    is_secret,
                    "At least 4 characters. Encrypted, and replaced by •••• wherever a run shows it.",
                    "Text, or JSON: a number, a list, an object.",
                )
            ),
        ),
        labelled(
            "Description",
            text_input(
                "kept-description",
                name="description",
                default_value=Secrets.target.description,
                max_length=500,
                auto_complete="off",
                placeholder="Optional",
            ),
            field_id="kept-description",
        ),
        form_error(Secrets.error),
        id="kept-form",
        key=Secrets.kind + Secrets.target.id,
        on_submit=Secrets.save,
        class_name="flex flex-col gap-4",
    )


def secrets_page() -> rx.Component:
    title = rx.cond(
        Secrets.target.id == "",
        rx.cond(Secrets.kind == "variable", "New variable", "New secret"),
        Secrets.target.name,
    )
    return settings_page(
        "Secrets & variables",
        rx.cond(
            Secrets.failure.status > 0,
            failure_state(Secrets.failure, Secrets.load),
            rx.cond(
                Secrets.loading,
                rx.fragment(card(skeleton_rows(3)), card(skeleton_rows(3))),
                rx.fragment(rx.cond(Secrets.sees_secrets, _secrets()), _variables()),
            ),
        ),
        dialog(
            title,
            _form(),
            is_open=Secrets.is_open,
            on_open_change=Secrets.set_open,
            actions=[button("Save", kind="primary", type="submit", form="kept-form")],
        ),
        confirm_dialog(
            "Delete " + Secrets.target.name + "?",
            "Agents that use it fail from now on. It cannot be undone.",
            "Delete",
            is_open=Secrets.deleting,
            on_open_change=Secrets.set_deleting,
            on_confirm=Secrets.delete,
        ),
        active="/settings/secrets",
    )
