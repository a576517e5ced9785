"""The form of a connection: what each protocol asks for, and what both do."""

from typing import Any

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import INPUT, TEXTAREA, form_error, labelled, text_input
from agentflow_app.ui.sso.state import SingleSignOn

_FORM = "sso-form"
_Target: Any = SingleSignOn.target


def _issuer_of(protocol: str) -> rx.Component:
    return rx.cond(_Target.protocol == protocol, _Target.issuer, "")


def _area(
    field_id: str, name: str, value: str | rx.Var[str], placeholder: str, rows: int = 3
) -> rx.Component:
    return rx.el.textarea(
        id=field_id,
        name=name,
        default_value=value,
        rows=rows,
        placeholder=placeholder,
        spell_check=False,
        class_name=TEXTAREA,
        custom_attrs={"aria-describedby": f"{field_id}-note"},
    )


def _line(
    label: str, field_id: str, name: str, value: Any, help_text: str | rx.Component = "", **props: Any
) -> rx.Component:
    field = text_input(field_id, name=name, default_value=value, **{"max_length": 500, **props})
    return labelled(label, field, field_id=field_id, help_text=help_text)


def _check(name: str, label: str, note: str, checked: bool | rx.Var[bool]) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            name=name,
            value="on",
            default_checked=checked,
            class_name="w-4 h-4 mt-0.5 shrink-0",
        ),
        rx.el.span(label, rx.el.span(note, class_name="block text-sm text-gray-11")),
        class_name="flex items-start gap-2 text-base text-gray-12",
    )


def _protocol() -> rx.Component:
    return labelled(
        "Protocol",
        rx.el.select(
            rx.el.option("OpenID Connect", value="oidc"),
            rx.el.option("SAML 2.0", value="saml"),
            id="sso-protocol",
            value=SingleSignOn.protocol,
            on_change=SingleSignOn.set_protocol,
            class_name=INPUT,
        ),
        field_id="sso-protocol",
    )


def _oidc() -> rx.Component:
    return rx.fragment(
        _line(
            "Issuer",
            "sso-issuer",
            "issuer",
            _issuer_of("oidc"),
            "Exactly as the provider calls itself, the slash at the end included if it has one.",
            placeholder="https://login.example.com",
        ),
        _line("Client ID", "sso-client", "client_id", _Target.client_id, auto_complete="off"),
        _line(
            "Client secret",
            "sso-secret",
            "client_secret",
            "",
            rx.fragment(
                rx.cond(_Target.id, "Leave it empty to keep the one that is set.", "It is never shown again.")
            ),
            type="password",
            auto_complete="new-password",
            max_length=1000,
        ),
    )


def _saml() -> rx.Component:
    by_hand = rx.el.details(
        rx.el.summary("Without metadata", class_name="text-base text-gray-11 cursor-pointer"),
        rx.el.div(
            _line("Entity ID", "sso-entity", "issuer", _issuer_of("saml"), auto_complete="off"),
            _line(
                "Sign-in address",
                "sso-url",
                "sso_url",
                _Target.sso_url,
                "That of the HTTP-Redirect binding.",
                placeholder="https://login.example.com/saml",
                max_length=2000,
            ),
            labelled(
                "Signing certificates",
                _area(
                    "sso-certificates",
                    "certificates",
                    _Target.certificates,
                    "-----BEGIN CERTIFICATE-----",
                    rows=4,
                ),
                field_id="sso-certificates",
                help_text="One below the other; two while the provider changes its key.",
            ),
            class_name="flex flex-col gap-4 mt-3",
        ),
    )
    return rx.fragment(
        labelled(
            "Metadata of the provider",
            _area("sso-metadata", "metadata", "", "<EntityDescriptor …", rows=4),
            field_id="sso-metadata",
            help_text=rx.fragment(
                rx.cond(
                    _Target.sso_url,
                    "Leave it empty to keep what is set. New metadata replaces it, the certificates too.",
                    "Its XML. It can wait: saved without, the connection shows what the provider asks for.",
                )
            ),
        ),
        by_hand,
        _line(
            "Attribute with the address",
            "sso-email-attribute",
            "email_attribute",
            _Target.email_attribute,
            "Empty: one of the usual names (email, mail, …), else the NameID.",
            placeholder="email",
            max_length=200,
        ),
        _line(
            "Attribute with the name",
            "sso-name-attribute",
            "name_attribute",
            _Target.name_attribute,
            placeholder="displayName",
            max_length=200,
        ),
    )


def _roles() -> rx.Component:
    return rx.fragment(
        labelled(
            "Domains",
            _area("sso-domains", "domains", _Target.domain_lines, "example.com"),
            field_id="sso-domains",
            help_text="One on each line. Only addresses of verified domains may come in.",
        ),
        labelled(
            "Role of new members",
            rx.el.select(
                rx.el.option("Viewer", value="viewer"),
                rx.el.option("Editor", value="editor"),
                rx.el.option("Admin", value="admin"),
                id="sso-role",
                name="default_role",
                default_value=_Target.default_role,
                class_name=INPUT,
            ),
            field_id="sso-role",
        ),
        _line(
            "Claim or attribute with roles",
            "sso-claim",
            "role_claim",
            _Target.role_claim,
            "The provider then decides on the role at each sign-in: the highest match, else the one"
            " above. Owners stay owners.",
            placeholder="groups",
            max_length=200,
        ),
        labelled(
            "Its values",
            _area("sso-mapping", "role_mapping", _Target.mapping_lines, "platform-team = admin"),
            field_id="sso-mapping",
            help_text="value = admin, editor or viewer; one on each line.",
        ),
    )


def _checks() -> rx.Component:
    believe = _check(
        "trust_email",
        "Believe addresses that are not marked as verified",
        "For providers that never mark them, as Entra does not; only within the verified domains.",
        _Target.trust_email,
    )
    return rx.fragment(
        _check("active", "On", "People can sign in through it.", _Target.active),
        rx.cond(SingleSignOn.protocol == "saml", rx.fragment(), believe),
        _check(
            "enforced",
            "Demand it of members with an address of its domains",
            "Their passwords and passkeys log in no more. Owners keep theirs, in case the provider is away.",
            _Target.enforced,
        ),
    )


def connection_dialog() -> rx.Component:
    name = _line(
        "Name",
        "sso-name",
        "name",
        _Target.name,
        "As people know it: Okta, Entra, Google.",
        max_length=100,
        auto_focus=True,
    )
    return dialog(
        rx.cond(_Target.id, "Edit the connection", "New connection"),
        rx.el.form(
            name,
            _protocol(),
            rx.cond(SingleSignOn.protocol == "saml", _saml(), _oidc()),
            _roles(),
            _checks(),
            form_error(SingleSignOn.error),
            id=_FORM,
            on_submit=SingleSignOn.save,
            class_name="flex flex-col gap-4",
        ),
        description="The values come from the provider's application for AgentFlow.",
        is_open=SingleSignOn.open,
        on_open_change=SingleSignOn.set_open,
        actions=[button("Save", kind="primary", type="submit", form=_FORM)],
        wide=True,
    )
