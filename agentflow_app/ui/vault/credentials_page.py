"""Settings → Credentials, and where requests may go."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import INPUT, TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.settings.frame import settings_page
from agentflow_app.ui.vault.credentials_state import TYPE_LABELS, CredentialRow, Credentials

_Target: Any = Credentials.target


def _credential(credential: CredentialRow) -> rx.Component:
    return row(
        cell(
            rx.el.span(credential.name, class_name="font-medium text-gray-12"),
            rx.el.span(credential.hosts, class_name="block font-mono text-sm text-gray-11 truncate"),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(credential.type_label, class_name=f"text-gray-11 whitespace-nowrap {WIDE}"),
        cell(
            rx.cond(credential.used, relative_time(value=credential.used), "Never"),
            class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
        ),
        cell(
            rx.cond(
                Credentials.editable,
                row_menu(
                    "More about " + credential.name,
                    menu_item("pencil", "Change…", Credentials.open_form(credential.id)),
                    menu_item("plug-zap", "Test…", Credentials.open_test(credential.id)),
                    menu_item("trash-2", "Delete…", Credentials.ask_delete(credential.id), danger=True),
                ),
            ),
            class_name="w-10 !pl-0",
        ),
        key=credential.id,
        data_credential=credential.name,
    )


def _text(label: str, name: str, value: Any, help_text: str = "", **props: Any) -> rx.Component:
    field_id = f"credential-{name}"
    field = text_input(
        field_id, name=name, default_value=value, auto_complete="off", spell_check=False, **props
    )
    return labelled(label, field, field_id=field_id, help_text=help_text)


def _hidden(label: str, name: str, help_text: str = "") -> rx.Component:
    """A secret part: typed anew, or left as it is."""
    field_id = f"credential-{name}"
    field = text_input(
        field_id,
        name=name,
        type="password",
        auto_complete="new-password",
        placeholder=rx.cond(_Target.id == "", "", "Unchanged"),
        class_name="font-mono",
    )
    return labelled(label, field, field_id=field_id, help_text=help_text)


def _choice(
    label: str, name: str, options: dict[str, str], value: Any, on_change: Any = None
) -> rx.Component:
    held = {"value": value, "on_change": on_change} if on_change else {"default_value": value}
    return labelled(
        label,
        rx.el.select(
            *[rx.el.option(text, value=key) for key, text in options.items()],
            name=name,
            id=f"credential-{name}",
            class_name=INPUT,
            **held,
        ),
        field_id=f"credential-{name}",
    )


def _api_key() -> rx.Component:
    return rx.fragment(
        rx.el.div(
            _choice(
                "Sent as",
                "carrier",
                {"header": "Header", "query": "Query parameter"},
                rx.cond(_Target.in_query, "query", "header"),
            ),
            _text("Its name", "place", rx.cond(_Target.place, _Target.place, "X-API-Key"), required=True),
            class_name="grid grid-cols-2 gap-4",
        ),
        _hidden("Key", "value"),
    )


def _oauth() -> rx.Component:
    grants = {"client_credentials": "Client credentials", "refresh_token": "Refresh token"}
    return rx.fragment(
        rx.el.div(
            _choice("Grant", "grant", grants, Credentials.grant, Credentials.set_grant),
            _choice(
                "Client shown in",
                "client_auth",
                {"header": "Header (Basic)", "body": "Body"},
                _Target.client_auth,
            ),
            class_name="grid grid-cols-2 gap-4",
        ),
        _text(
            "Token address",
            "token_url",
            _Target.token_url,
            placeholder="https://login.example.com/oauth/token",
            required=True,
        ),
        rx.el.div(
            _text("Client id", "client_id", _Target.client_id, required=True),
            _hidden("Client secret", "client_secret"),
            class_name="grid grid-cols-2 gap-4",
        ),
        rx.cond(Credentials.grant == "refresh_token", _hidden("Refresh token", "refresh_token")),
        _text("Scopes", "scopes", _Target.scopes, placeholder="Optional, with spaces between them"),
    )


def _mail() -> rx.Component:
    return rx.fragment(
        rx.el.div(
            _text("Server", "host", _Target.host, placeholder="smtp.example.com", required=True),
            _text("Port", "port", _Target.port, placeholder="587, or 465 for TLS", input_mode="numeric"),
            class_name="grid grid-cols-2 gap-4",
        ),
        rx.el.div(
            _choice(
                "Security",
                "security",
                {"starttls": "STARTTLS", "tls": "TLS from the start"},
                rx.cond(_Target.security, _Target.security, "starttls"),
            ),
            _text("From", "sender", _Target.sender, placeholder="The user, if it is an address"),
            class_name="grid grid-cols-2 gap-4",
        ),
        rx.el.div(
            _text("User", "username", _Target.username, required=True),
            _hidden("Password", "password"),
            class_name="grid grid-cols-2 gap-4",
        ),
    )


def _parts() -> rx.Component:
    return rx.match(
        Credentials.type,
        ("api_key", _api_key()),
        (
            "basic",
            rx.el.div(
                _text("User", "username", _Target.username, required=True),
                _hidden("Password", "password"),
                class_name="grid grid-cols-2 gap-4",
            ),
        ),
        (
            "header",
            rx.el.div(
                _text("Header", "header", _Target.place, required=True),
                _hidden("Value", "value"),
                class_name="grid grid-cols-2 gap-4",
            ),
        ),
        ("oauth2", _oauth()),
        ("smtp", _mail()),
        _hidden("Token", "value"),
    )


def _hosts(field_id: str, value: Any, help_text: str, **props: Any) -> rx.Component:
    area = rx.el.textarea(
        id=field_id,
        name="hosts",
        default_value=value,
        rows=3,
        spell_check=False,
        auto_complete="off",
        class_name=f"{TEXTAREA} font-mono text-sm",
        custom_attrs={"aria-describedby": f"{field_id}-note"},
        **props,
    )
    return labelled("Hosts", area, field_id=field_id, help_text=help_text)


def _form() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            _text("Name", "name", _Target.name, required=True, max_length=100, auto_focus=True),
            rx.cond(
                _Target.id == "",
                _choice("Type", "type", TYPE_LABELS, Credentials.type, Credentials.set_type),
                labelled(
                    "Type",
                    rx.el.div(
                        _Target.type_label,
                        id="credential-type",
                        class_name="flex items-center h-8 text-base text-gray-11",
                    ),
                    field_id="credential-type",
                ),
            ),
            class_name="grid grid-cols-2 gap-4",
        ),
        _parts(),
        # A mail server is the one place that its password goes to.
        rx.cond(
            Credentials.type != "smtp",
            _hosts(
                "credential-hosts",
                _Target.hosts,
                "One on each line: api.example.com or *.example.com. It is sent over HTTPS to these alone. "
                "Another port is written host:port, plain HTTP http://host. More hosts need the "
                "secret again.",
                required=True,
                placeholder="api.example.com",
            ),
        ),
        _text("Description", "description", _Target.description, placeholder="Optional", max_length=500),
        form_error(Credentials.error),
        id="credential-form",
        key=_Target.id,
        on_submit=Credentials.save,
        class_name="flex flex-col gap-4",
    )


def _test_dialog() -> rx.Component:
    look = "px-3 py-2 rounded-md text-base break-words"
    return dialog(
        "Test " + _Target.name,
        rx.el.form(
            labelled(
                "Address",
                text_input(
                    "trial-url",
                    name="url",
                    type="url",
                    max_length=2000,
                    auto_complete="off",
                    spell_check=False,
                    placeholder="https://api.example.com/me",
                ),
                field_id="trial-url",
                help_text="At one of its hosts. Empty: the first host's start page.",
            ),
            form_error(Credentials.error),
            rx.cond(
                Credentials.trial,
                rx.el.div(
                    Credentials.trial,
                    role="status",
                    class_name=rx.cond(
                        Credentials.trial_ok,
                        f"{look} bg-green-a3 text-green-11",
                        f"{look} bg-amber-a3 text-amber-11",
                    ),
                ),
            ),
            id="trial-form",
            on_submit=Credentials.try_it,
            class_name="flex flex-col gap-4",
        ),
        is_open=Credentials.testing,
        on_open_change=Credentials.set_testing,
        description="Sends one GET request with it. Of the answer, only status and time are looked at.",
        actions=[button("Send", kind="primary", type="submit", form="trial-form")],
        close="Close",
    )


def _limits() -> rx.Component:
    locked = ~Credentials.hosts_editable
    return section(
        "Where requests may go",
        rx.el.form(
            _hosts(
                "egress-hosts",
                Credentials.hosts,
                "One on each line, like api.example.com or *.example.com. Empty: nodes may call every public "
                "host. Calls to AI models are not limited by this list.",
                disabled=locked,
                placeholder="Every public host",
            ),
            form_error(Credentials.hosts_error),
            rx.cond(
                Credentials.hosts_editable,
                rx.el.div(button("Save", type="submit"), class_name="flex justify-end"),
            ),
            on_submit=Credentials.save_hosts,
            key=Credentials.hosts,
            class_name="flex flex-col gap-4 p-4",
        ),
    )


def credentials_page() -> rx.Component:
    new = button("New credential", kind="primary", icon_name="plus", on_click=Credentials.open_form(""))
    listing = rx.cond(
        length(Credentials.rows) > 0,
        card(
            table(
                [("Credential", ""), ("Type", WIDE), ("Last used", WIDE), ("", "w-10")],
                rx.foreach(Credentials.rows, _credential),
                label="Credentials",
            ),
            pager(Credentials.more, Credentials.load_more, False),
            class_name="overflow-hidden",
        ),
        card(
            empty_state(
                "key-square",
                "No credentials yet",
                "An HTTP request can show a credential to another system. It reaches only hosts you name.",
                rx.cond(Credentials.editable, new),
            )
        ),
    )
    return settings_page(
        "Credentials",
        rx.cond(
            Credentials.failure.status > 0,
            failure_state(Credentials.failure, Credentials.load),
            rx.cond(Credentials.loading, card(skeleton_rows(4)), rx.fragment(listing, _limits())),
        ),
        dialog(
            rx.cond(_Target.id == "", "New credential", _Target.name),
            _form(),
            is_open=Credentials.is_open,
            on_open_change=Credentials.set_open,
            actions=[button("Save", kind="primary", type="submit", form="credential-form")],
            wide=True,
        ),
        _test_dialog(),
        confirm_dialog(
            "Delete " + _Target.name + "?",
            "Requests that show it fail from now on. It cannot be undone.",
            "Delete",
            is_open=Credentials.deleting,
            on_open_change=Credentials.set_deleting,
            on_confirm=Credentials.delete,
        ),
        active="/settings/credentials",
        actions=(rx.cond(Credentials.editable & (length(Credentials.rows) > 0), new),),
    )
