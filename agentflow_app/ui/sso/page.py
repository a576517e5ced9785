"""Settings → Single sign-on."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import secret_once
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import length
from agentflow_app.ui.settings.frame import settings_page
from agentflow_app.ui.sso.connection_form import connection_dialog
from agentflow_app.ui.sso.state import ConnectionRow, DomainRow, SingleSignOn

_BADGE = "inline-flex items-center h-5 px-1.5 rounded text-xs font-medium whitespace-nowrap"


def _badge(text: str, look: str) -> rx.Component:
    return rx.el.span(text, class_name=f"{_BADGE} {look}")


def _domain(row: DomainRow) -> rx.Component:
    record = rx.el.div(
        "Publish this TXT record, then check: ",
        rx.el.code(row.record_name, class_name="font-mono select-all break-all text-gray-12"),
        " = ",
        rx.el.code(row.record_value, class_name="font-mono select-all break-all text-gray-12"),
        class_name="mt-1 text-sm text-gray-11",
    )
    return rx.el.li(
        rx.el.div(
            rx.el.span(row.domain, class_name="text-base text-gray-12 break-all"),
            rx.cond(
                row.verified,
                _badge("Verified", "bg-green-a3 text-green-11"),
                _badge("Not verified", "bg-amber-a3 text-amber-11"),
            ),
            class_name="flex flex-wrap items-center gap-2",
        ),
        rx.cond(row.verified, rx.fragment(), record),
        key=row.domain,
    )


def _ours(row: ConnectionRow) -> rx.Component:
    """What a SAML provider asks for, of this connection only."""
    return rx.el.div(
        rx.cond(
            row.sso_url == "",
            rx.el.p(
                "Enter these at the provider, then its metadata here: until then nobody can sign in"
                " through it.",
                class_name="text-base text-gray-11",
            ),
        ),
        rx.el.p("Entity ID, also the address of our metadata:", class_name="text-base text-gray-11"),
        secret_once(row.entity_id, label="Entity ID of " + row.name, done="Copied"),
        rx.el.p(
            "Assertion consumer service (ACS), also called reply URL:", class_name="text-base text-gray-11"
        ),
        secret_once(row.acs_url, label="ACS of " + row.name, done="Copied"),
        class_name="flex flex-col gap-2",
    )


def _connection(row: ConnectionRow) -> rx.Component:
    menu = row_menu(
        "More about " + row.name,
        menu_item("pencil", "Edit…", SingleSignOn.open_form(row.id)),
        menu_item("trash-2", "Delete…", SingleSignOn.ask_delete(row.id), danger=True),
    )
    head = rx.el.div(
        rx.el.h2(row.name, class_name="text-md font-semibold text-gray-12 truncate"),
        rx.cond(
            row.active, _badge("On", "bg-green-a3 text-green-11"), _badge("Off", "bg-gray-a3 text-gray-11")
        ),
        rx.cond(row.enforced, _badge("Demanded", "bg-accent-a3 text-accent-11")),
        rx.el.span(
            rx.cond(row.protocol == "saml", "SAML", "OpenID Connect"),
            class_name="text-sm text-gray-11 whitespace-nowrap",
        ),
        rx.cond(SingleSignOn.editable, rx.el.div(menu, class_name="ml-auto")),
        class_name="flex items-center gap-2 min-h-12 px-4 border-b border-gray-a4",
    )
    nothing = rx.el.p(
        "No domain yet: until one is verified, nobody can sign in through it.",
        class_name="text-base text-gray-11",
    )
    body = rx.el.div(
        rx.cond(row.issuer != "", rx.el.div(row.issuer, class_name="text-base text-gray-11 break-all")),
        rx.cond(row.protocol == "saml", _ours(row)),
        rx.cond(
            length(row.domains) > 0,
            rx.el.ul(rx.foreach(row.domains, _domain), class_name="flex flex-col gap-3"),
            nothing,
        ),
        rx.cond(
            SingleSignOn.editable,
            rx.el.div(
                button("Test", small=True, on_click=SingleSignOn.test(row.id)),
                rx.cond(
                    row.unverified,
                    button("Check the domains", small=True, on_click=SingleSignOn.verify(row.id)),
                ),
                class_name="flex gap-2",
            ),
        ),
        class_name="flex flex-col gap-4 p-4",
    )
    return card(head, body, key=row.id, class_name="overflow-hidden", data_connection=row.name)


def _redirect() -> rx.Component:
    return section(
        "What an OpenID Connect provider asks for",
        rx.el.div(
            rx.el.p("Redirect URI, also called callback URL:", class_name="text-base text-gray-11"),
            secret_once(SingleSignOn.redirect_uri, label="Redirect URI", done="Copied"),
            class_name="flex flex-col gap-2 p-4",
        ),
    )


def _provisioning() -> rx.Component:
    has_token = SingleSignOn.scim_prefix != ""
    make = rx.cond(
        has_token,
        rx.el.div(
            button("Replace…", small=True, on_click=SingleSignOn.ask_scim("replace")),
            button("Revoke…", small=True, on_click=SingleSignOn.ask_scim("revoke")),
            class_name="flex gap-2",
        ),
        button("Make a token", small=True, on_click=SingleSignOn.make_token),
    )
    state = rx.el.p(
        rx.cond(
            has_token,
            rx.fragment(
                "Token ",
                rx.el.code(SingleSignOn.scim_prefix, "…", class_name="font-mono text-gray-12"),
                ", ",
                rx.cond(
                    SingleSignOn.scim_used,
                    rx.fragment("last used ", relative_time(value=SingleSignOn.scim_used)),
                    "never used",
                ),
            ),
            "No token yet: nobody provisions.",
        ),
        class_name="text-base text-gray-11",
    )
    return section(
        "Provisioning (SCIM)",
        rx.el.div(
            rx.el.p(
                "Your identity provider makes, deactivates and removes members with an address in a verified"
                " domain, and keeps teams as its groups. Base URL:",
                class_name="text-base text-gray-11",
            ),
            secret_once(SingleSignOn.scim_url, label="SCIM base URL", done="Copied"),
            state,
            class_name="flex flex-col gap-3 p-4",
        ),
        action=rx.cond(SingleSignOn.editable, make),
    )


def _scim_dialogs() -> list[rx.Component]:
    return [
        dialog(
            "Your SCIM token",
            secret_once(SingleSignOn.scim_token, label="The new SCIM token", done="Token copied"),
            is_open=SingleSignOn.scim_token != "",
            on_open_change=SingleSignOn.close_token,
            description="Copy it now. It is shown only this once, and cannot be found again.",
            actions=[],
            close="Done",
        ),
        confirm_dialog(
            "Replace the SCIM token?",
            "The present one stops at once: enter the new one at your identity provider.",
            "Replace the token",
            is_open=SingleSignOn.scim_asking == "replace",
            on_open_change=SingleSignOn.close_scim,
            on_confirm=SingleSignOn.make_token,
        ),
        confirm_dialog(
            "Revoke the SCIM token?",
            "Your identity provider then changes nothing here any more. Members and teams stay as they are.",
            "Revoke the token",
            is_open=SingleSignOn.scim_asking == "revoke",
            on_open_change=SingleSignOn.close_scim,
            on_confirm=SingleSignOn.revoke_token,
        ),
    ]


def single_sign_on_page() -> rx.Component:
    new = button("New connection", kind="primary", icon_name="plus", on_click=SingleSignOn.open_form(""))
    nothing = card(
        empty_state(
            "key-round",
            "No single sign-on yet",
            "Connect your identity provider, and its people sign in without a password of their own here.",
            rx.cond(SingleSignOn.editable, new),
        )
    )
    rows = rx.el.div(
        rx.foreach(SingleSignOn.rows, _connection),
        _redirect(),
        _provisioning(),
        class_name="flex flex-col gap-4",
    )
    return settings_page(
        "Single sign-on",
        rx.cond(
            SingleSignOn.failure.status > 0,
            failure_state(SingleSignOn.failure, SingleSignOn.load),
            rx.cond(
                SingleSignOn.loading,
                card(skeleton_rows(3)),
                rx.cond(length(SingleSignOn.rows) > 0, rows, rx.fragment(nothing, _redirect())),
            ),
        ),
        connection_dialog(),
        confirm_dialog(
            "Delete " + SingleSignOn.target.name + "?",
            "Nobody signs in through it any more. Its people keep their accounts; who has no"
            " password sets one by “Forgot your password?”.",
            "Delete the connection",
            is_open=SingleSignOn.deleting,
            on_open_change=SingleSignOn.set_deleting,
            on_confirm=SingleSignOn.delete,
        ),
        *_scim_dialogs(),
        active="/settings/sso",
        actions=(rx.cond(SingleSignOn.editable & (length(SingleSignOn.rows) > 0), new),),
    )
