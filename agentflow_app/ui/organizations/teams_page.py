"""Settings → Teams."""

import reflex as rx

from agentflow_app.ui.components.button import button, icon_button
from agentflow_app.ui.components.card import card
from agentflow_app.ui.components.dialog import confirm_dialog, dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input
from agentflow_app.ui.components.menu import menu_item, row_menu
from agentflow_app.ui.components.states import empty_state, failure_state, skeleton_rows
from agentflow_app.ui.components.table import length
from agentflow_app.ui.organizations.teams_state import PersonRow, TeamRow, Teams
from agentflow_app.ui.settings.frame import settings_page


def _person(team: TeamRow, person: PersonRow) -> rx.Component:
    return rx.el.li(
        rx.el.span(person.name, class_name="text-base text-gray-12 truncate"),
        rx.el.span(person.email, class_name="text-sm text-gray-11 truncate hidden md:inline"),
        rx.cond(
            Teams.editable,
            icon_button(
                "x",
                "Take " + person.name + " out of " + team.name,
                small=True,
                class_name="ml-auto",
                on_click=Teams.remove(team.id, person.id),
            ),
        ),
        class_name="flex items-center gap-3 min-h-8 px-4",
        key=person.id,
    )


def _adding(team: TeamRow) -> rx.Component:
    return rx.cond(
        Teams.editable & (length(team.others) > 0),
        rx.el.div(
            rx.el.select(
                rx.el.option("Add a member…", value=""),
                rx.foreach(team.others, lambda person: rx.el.option(person.name, value=person.id)),
                value="",
                on_change=lambda user_id: Teams.add(team.id, user_id),
                class_name="af-field h-8 px-2 rounded-md text-base text-gray-12",
                custom_attrs={"aria-label": "Add a member to " + team.name},
            ),
            class_name="px-4 pt-2",
        ),
    )


def _team(team: TeamRow) -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(team.name, class_name="text-md font-semibold text-gray-12 truncate"),
            rx.cond(
                Teams.editable,
                row_menu(
                    "More about " + team.name,
                    menu_item("pencil", "Rename…", Teams.open_name(team.id)),
                    menu_item("trash-2", "Delete…", Teams.ask_delete(team.id), danger=True),
                ),
            ),
            class_name="flex items-center justify-between gap-4 h-12 px-4 border-b border-gray-a4",
        ),
        rx.cond(
            length(team.members) > 0,
            rx.el.ul(rx.foreach(team.members, lambda person: _person(team, person)), class_name="pt-2"),
            rx.el.p("Nobody is in this team yet.", class_name="px-4 pt-3 text-base text-gray-11"),
        ),
        _adding(team),
        class_name="pb-3 overflow-hidden",
        key=team.id,
        data_team=team.name,
    )


def _name_dialog() -> rx.Component:
    return dialog(
        rx.cond(Teams.target.id, "Rename the team", "New team"),
        rx.el.form(
            labelled(
                "Name",
                text_input(
                    "team-name",
                    name="name",
                    default_value=Teams.target.name,
                    required=True,
                    max_length=255,
                    auto_focus=True,
                    auto_complete="off",
                ),
                field_id="team-name",
            ),
            form_error(Teams.error),
            id="team-form",
            on_submit=Teams.save,
            class_name="flex flex-col gap-4",
        ),
        is_open=Teams.naming,
        on_open_change=Teams.set_naming,
        actions=[button("Save", kind="primary", type="submit", form="team-form")],
    )


def teams_page() -> rx.Component:
    new = button("New team", kind="primary", icon_name="plus", on_click=Teams.open_name(""))
    nothing = card(
        empty_state(
            "users",
            "No teams yet",
            "A team groups members. An approval step that names a team waits for any of them.",
            rx.cond(Teams.editable, new),
        )
    )
    return settings_page(
        "Teams",
        rx.cond(
            Teams.failure.status > 0,
            failure_state(Teams.failure, Teams.load),
            rx.cond(
                Teams.loading,
                card(skeleton_rows(3)),
                rx.cond(
                    length(Teams.rows) > 0,
                    rx.el.div(rx.foreach(Teams.rows, _team), class_name="flex flex-col gap-4"),
                    nothing,
                ),
            ),
        ),
        _name_dialog(),
        confirm_dialog(
            "Delete " + Teams.target.name + "?",
            "Its members stay members of the organization.",
            "Delete the team",
            is_open=Teams.deleting,
            on_open_change=Teams.set_deleting,
            on_confirm=Teams.delete,
        ),
        active="/settings/teams",
        actions=(rx.cond(Teams.editable & (length(Teams.rows) > 0), new),),
    )
