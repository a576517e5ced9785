"""Settings → Members."""

import reflex as rx

from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.card import card, section
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import (
    INPUT,
    form_error,
    labelled,
    search_input,
    secret_once,
    text_input,
)
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.relative_time import relative_time
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import WIDE, cell, length, pager, row, table
from agentflow_app.ui.organizations.members_state import InvitationRow, MemberRow, Members
from agentflow_app.ui.settings.frame import settings_page


def _role_options() -> rx.Component:
    return rx.foreach(
        Members.roles,
        lambda role: rx.el.option(role, value=role, class_name="capitalize"),
    )


def _role(member: MemberRow) -> rx.Component:
    return rx.cond(
        member.changeable,
        rx.el.select(
            _role_options(),
            value=member.role,
            on_change=lambda role: Members.set_role(member.id, role),
            class_name="af-field h-7 px-1.5 rounded-md text-base text-gray-12 capitalize",
            custom_attrs={"aria-label": "Role of " + member.name},
        ),
        rx.el.span(member.role, class_name="text-gray-11 capitalize"),
    )


def _menu(member: MemberRow) -> rx.Component:
    return row_menu(
        "More about " + member.name,
        rx.cond(
            member.active,
            menu_item("user-round-x", "Deactivate…", Members.ask("deactivate", member.id)),
            menu_item("user-round-check", "Activate", Members.activate(member.id)),
        ),
        menu_item("user-round-minus", "Remove…", Members.ask("remove", member.id), danger=True),
    )


def _member(member: MemberRow) -> rx.Component:
    return row(
        cell(
            rx.el.span(member.name, class_name="font-medium text-gray-12"),
            rx.cond(member.is_self, rx.el.span(" (you)", class_name="text-gray-11")),
            rx.cond(
                ~member.active, rx.el.span("Deactivated", class_name="ml-2 text-xs font-medium text-amber-11")
            ),
            rx.el.span(member.email, class_name="block text-sm text-gray-11 truncate"),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(_role(member)),
        cell(relative_time(value=member.joined), class_name=f"text-gray-11 whitespace-nowrap {WIDE}"),
        cell(rx.cond(member.changeable, _menu(member)), class_name="w-10 !pl-0"),
        key=member.id,
        data_member=member.email,
    )


def _invitation(invitation: InvitationRow) -> rx.Component:
    return row(
        cell(
            rx.el.span(invitation.email, class_name="text-gray-12"),
            rx.cond(
                invitation.by,
                rx.el.span("by ", invitation.by, class_name="block text-sm text-gray-11 truncate"),
            ),
            class_name="max-w-0 w-full truncate py-1.5",
        ),
        cell(invitation.role, class_name="text-gray-11 capitalize"),
        cell(
            rx.cond(
                invitation.expired,
                rx.el.span("Expired", class_name="text-amber-11"),
                relative_time(value=invitation.expires),
            ),
            class_name=f"text-gray-11 whitespace-nowrap {WIDE}",
        ),
        cell(
            rx.cond(
                invitation.changeable,
                row_menu(
                    "More about the invitation of " + invitation.email,
                    menu_item("send", "Send again", Members.resend(invitation.id)),
                    menu_item("x", "Withdraw", Members.withdraw(invitation.id), danger=True),
                ),
            ),
            class_name="w-10 !pl-0",
        ),
        key=invitation.id,
        data_invitation=invitation.email,
    )


def _invite_dialog() -> rx.Component:
    form = rx.el.form(
        labelled(
            "E-mail address",
            text_input(
                "invite-email", name="email", type="email", required=True, auto_focus=True, max_length=255
            ),
            field_id="invite-email",
            help_text="Only this address can accept.",
        ),
        labelled(
            "Role",
            rx.el.select(
                _role_options(),
                name="role",
                id="invite-role",
                default_value="editor",
                class_name=f"{INPUT} capitalize",
            ),
            field_id="invite-role",
        ),
        form_error(Members.form_error),
        id="invite-form",
        on_submit=Members.invite,
        class_name="flex flex-col gap-4",
    )
    passed_on = rx.el.div(
        rx.el.p(
            "No mail server is set up here, so pass this link on to ",
            rx.el.span(Members.invited, class_name="font-medium text-gray-12"),
            " yourself. It is shown only now.",
            class_name="text-base text-gray-11",
        ),
        secret_once(Members.link, label="Invitation link", done="Link copied"),
        class_name="flex flex-col gap-3",
    )
    return dialog(
        rx.cond(Members.link, "Invitation made", "Invite a member"),
        rx.cond(Members.link, passed_on, form),
        is_open=Members.inviting,
        on_open_change=Members.set_inviting,
        description="The link is good for seven days, once.",
        actions=[
            rx.cond(Members.link == "", button("Invite", kind="primary", type="submit", form="invite-form"))
        ],
        close=rx.cond(Members.link, "Done", "Cancel"),
    )


def _confirm() -> rx.Component:
    removing = Members.asking == "remove"
    return confirm_dialog(
        rx.cond(removing, "Remove ", "Deactivate ") + Members.target.name + "?",
        rx.cond(
            removing,
            "They lose access at once, and the API keys that they made stop working. Agents and runs stay.",
            "They lose access at once, their API keys too, until somebody activates them again.",
        ),
        "Yes, take away access",
        is_open=Members.asking != "",
        on_open_change=Members.set_asking,
        on_confirm=Members.confirm,
    )


def members_page() -> rx.Component:
    members = card(
        rx.cond(
            length(Members.rows) > 0,
            table(
                [("Member", ""), ("Role", ""), ("Joined", WIDE), ("", "w-10")],
                rx.foreach(Members.rows, _member),
                label="Members",
            ),
            empty_state("search-x", "Nobody fits", "Try another name or address."),
        ),
        pager(Members.more, Members.load_more, False),
        class_name="overflow-hidden",
    )
    invitations = rx.cond(
        length(Members.invitations) > 0,
        section(
            "Invited",
            table(
                [("Address", ""), ("Role", ""), ("Expires", WIDE), ("", "w-10")],
                rx.foreach(Members.invitations, _invitation),
                label="Open invitations",
            ),
        ),
    )
    return settings_page(
        "Members",
        rx.cond(
            Members.failure.status > 0,
            failure_state(Members.failure, Members.load),
            rx.cond(
                Members.loading,
                card(skeleton_rows(4)),
                rx.el.div(
                    search_input(Members.search, Members.set_search, label="Search members"),
                    members,
                    invitations,
                    class_name="flex flex-col gap-4",
                ),
            ),
        ),
        _invite_dialog(),
        _confirm(),
        active="/settings/members",
        actions=(
            rx.cond(
                Members.editable,
                button(
                    "Invite", kind="primary", icon_name="user-round-plus", on_click=Members.set_inviting(True)
                ),
            ),
        ),
    )
