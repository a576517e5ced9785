"""Settings → API keys."""

import reflex as rx

from agentflow_app.ui.api_keys.state import ApiKeys, KeyRow, ScopeRow
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import INPUT, form_error, labelled, secret_once, text_input
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.status import status_badge
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.settings.frame import settings_page


def _key(key: KeyRow) -> rx.Component:
    menu = row_menu(
        "More about " + key.name,
        rx.cond(
            key.is_own & (key.status == "active"),
            menu_item("rotate-cw", "Rotate…", ApiKeys.ask("rotate", key.id)),
        ),
        menu_item("trash-2", "Revoke…", ApiKeys.ask("revoke", key.id), danger=True),
    )
    return row(
        cell(
            rx.el.span(key.name, class_name="font-medium text-gray-12"),
            rx.el.code(key.prefix, "…", class_name="ml-2 font-mono text-sm text-gray-11"),
            rx.tooltip(
                rx.el.span(key.scopes, class_name="block text-sm text-gray-11 truncate"), content=key.scopes
            ),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(status_badge(status=key.status)),
        cell(key.by, class_name=f"text-gray-11 whitespace-nowrap {WIDE}"),
        cell(
            rx.cond(key.last_used, relative_time(value=key.last_used), "Never"),
            class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
        ),
        cell(
            rx.cond(key.expires, relative_time(value=key.expires), "Never"),
            class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
        ),
        cell(rx.cond(ApiKeys.editable, menu), class_name="w-10 !pl-0"),
        key=key.id,
        data_key=key.name,
    )


def _scope(scope: ScopeRow) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name=scope.name, class_name="mt-1 shrink-0"),
        rx.el.span(
            rx.el.code(scope.name, class_name="block font-mono text-sm text-gray-12"),
            rx.el.span(scope.meaning, class_name="block text-sm text-gray-11"),
        ),
        class_name="flex items-start gap-2 px-2 py-1 rounded-md hover:bg-gray-a3 cursor-pointer",
        key=scope.name,
    )


def _create_dialog() -> rx.Component:
    form = rx.el.form(
        rx.el.div(
            labelled(
                "Name",
                text_input(
                    "key-name",
                    name="name",
                    required=True,
                    max_length=255,
                    auto_focus=True,
                    auto_complete="off",
                    placeholder="Deployment",
                ),
                field_id="key-name",
            ),
            labelled(
                "Expires",
                rx.el.select(
                    *[
                        rx.el.option(text, value=days)
                        for days, text in (
                            ("30", "in 30 days"),
                            ("90", "in 90 days"),
                            ("365", "in a year"),
                            ("", "never"),
                        )
                    ],
                    name="days",
                    id="key-days",
                    default_value="90",
                    class_name=INPUT,
                ),
                field_id="key-days",
            ),
            class_name="grid grid-cols-1 sm:grid-cols-[1fr_10rem] gap-4",
        ),
        rx.el.fieldset(
            rx.el.legend("What it may do", class_name="mb-1 text-sm font-medium text-gray-12"),
            rx.el.div(
                rx.foreach(ApiKeys.scopes, _scope),
                class_name=(
                    "grid grid-cols-1 sm:grid-cols-2 gap-x-2 max-h-64 overflow-y-auto p-1 "
                    "border border-gray-a5 rounded-lg"
                ),
            ),
        ),
        form_error(ApiKeys.error),
        id="key-form",
        on_submit=ApiKeys.create_key,
        class_name="flex flex-col gap-4",
    )
    shown = rx.el.div(
        rx.el.p(
            "Copy the key now. It is shown only this once, and cannot be found again.",
            class_name="text-base text-gray-11",
        ),
        secret_once(ApiKeys.secret, label="The new API key", done="Key copied"),
        class_name="flex flex-col gap-3",
    )
    return dialog(
        rx.cond(ApiKeys.secret, "Your new key", "New API key"),
        rx.cond(ApiKeys.secret, shown, form),
        is_open=ApiKeys.creating,
        on_open_change=ApiKeys.set_creating,
        description="It acts in your name, within this organization.",
        actions=[
            rx.cond(
                ApiKeys.secret == "",
                button("Make the key", kind="primary", type="submit", form="key-form"),
            )
        ],
        close=rx.cond(ApiKeys.secret, "Done", "Cancel"),
        wide=True,
    )


def _rotate_dialog() -> rx.Component:
    return dialog(
        "Rotate " + ApiKeys.target.name,
        rx.el.form(
            labelled(
                "The secret of before",
                rx.el.select(
                    rx.el.option("stops at once", value="0"),
                    rx.el.option("works for another hour", value="3600"),
                    rx.el.option("works for another day", value="86400"),
                    name="grace",
                    id="key-grace",
                    default_value="3600",
                    class_name=INPUT,
                ),
                field_id="key-grace",
            ),
            id="rotate-form",
            on_submit=ApiKeys.rotate,
        ),
        is_open=ApiKeys.asking == "rotate",
        on_open_change=ApiKeys.set_asking,
        description="The key gets a new secret, and keeps its name, its scopes and its end.",
        actions=[button("Rotate", kind="primary", type="submit", form="rotate-form")],
    )


def api_keys_page() -> rx.Component:
    new = button("New key", kind="primary", icon_name="plus", on_click=ApiKeys.set_creating(True))
    content = rx.cond(
        length(ApiKeys.rows) > 0,
        card(
            table(
                [
                    ("Key", ""),
                    ("Status", ""),
                    ("Made by", WIDE),
                    ("Last used", WIDE),
                    ("Expires", WIDE),
                    ("", "w-10"),
                ],
                rx.foreach(ApiKeys.rows, _key),
                label="API keys",
            ),
            pager(ApiKeys.more, ApiKeys.load_more, False),
            class_name="overflow-hidden",
        ),
        card(
            empty_state(
                "key-round",
                "No API keys yet",
                "A key lets a program call the API in your name, with no more rights than you give it.",
                rx.cond(ApiKeys.editable, new),
            )
        ),
    )
    return settings_page(
        "API keys",
        rx.cond(
            ApiKeys.failure.status > 0,
            failure_state(ApiKeys.failure, ApiKeys.load),
            rx.cond(ApiKeys.loading, card(skeleton_rows(4)), content),
        ),
        _create_dialog(),
        _rotate_dialog(),
        confirm_dialog(
            "Revoke " + ApiKeys.target.name + "?",
            "Whatever uses this key stops working at once. It cannot be undone.",
            "Revoke the key",
            is_open=ApiKeys.asking == "revoke",
            on_open_change=ApiKeys.set_asking,
            on_confirm=ApiKeys.revoke,
        ),
        active="/settings/api-keys",
        actions=(rx.cond(ApiKeys.editable & (length(ApiKeys.rows) > 0), new),),
    )
