"""Which organization the pages show, at the top of the navigation, and the way to the others."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.accounts.sessions import session_cookie, switch_page_session
from agentflow_app.core.errors import AppError, NotFound
from agentflow_app.organizations import service
from agentflow_app.organizations.schemas import OrganizationCreate
from agentflow_app.ui.components.button import button
from agentflow_app.ui.components.dialog import dialog
from agentflow_app.ui.components.field import form_error, labelled, text_input
from agentflow_app.ui.components.icon import icon
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, id_of


@dataclass
class ChoiceRow:
    id: str = ""
    name: str = ""
    role: str = ""
    current: bool = False


class Switcher(PageState, rx.State):
    rows: list[ChoiceRow] = []
    creating: bool = False
    error: str = ""

    @event
    @acts
    async def open_menu(self, is_open: bool) -> None:
        if is_open:
            mine = await service.mine(await actor_of(self))
            self.rows = [ChoiceRow(str(each.id), each.name, each.role, each.current) for each in mine]

    @event
    @acts
    async def choose(self, org_id: str) -> Any:
        await actor_of(self)
        return await self._go_to(str(id_of(org_id)))

    async def _go_to(self, org_id: str) -> Any:
        cookie = session_cookie(self.router.headers.cookie)
        if not await switch_page_session(cookie, id_of(org_id)):
            raise NotFound("You do not belong to this organization any more")
        # A fresh start: whatever the pages hold is of the other organization.
        return rx.call_script("location.assign('/')")

    @event
    async def set_creating(self, is_open: bool) -> None:
        self.creating, self.error = bool(is_open), ""

    @event
    @acts
    async def create_organization(self, form: dict[str, Any]) -> Any:
        try:
            data = read_form(OrganizationCreate, {"name": text_of(form, "name")})
            made = await service.create(await actor_of(self), data)
        except AppError as error:
            self.error = problem(error)
            return None
        self.creating = False
        return await self._go_to(str(made.id))


def _choice(each: ChoiceRow) -> rx.Component:
    return rx.menu.item(
        rx.el.span(each.name, class_name="truncate max-w-48"),
        rx.el.span(each.role, class_name="text-sm opacity-70"),
        rx.cond(each.current, icon("check", size=14, class_name="ml-auto"), rx.el.span(class_name="w-3.5")),
        on_click=Switcher.choose(each.id),
    )


def switcher(name: str | rx.Var[str], mark: rx.Component) -> rx.Component:
    """`mark` stands before the organization's name."""
    return rx.fragment(
        rx.menu.root(
            rx.menu.trigger(
                rx.el.button(
                    mark,
                    rx.el.span(
                        rx.cond(name, name, "AgentFlow"),
                        class_name="text-base font-semibold text-gray-12 truncate",
                    ),
                    rx.el.span(", change the organization", class_name="sr-only"),
                    icon("chevrons-up-down", size=14, class_name="ml-auto text-gray-9"),
                    type="button",
                    class_name=(
                        "flex items-center gap-2 w-full min-w-0 h-10 my-1 px-2 rounded-md text-left "
                        "hover:bg-gray-a3"
                    ),
                )
            ),
            rx.menu.content(
                rx.foreach(Switcher.rows, _choice),
                rx.menu.separator(),
                rx.menu.item(
                    icon("plus", size=14), "New organization…", on_click=Switcher.set_creating(True)
                ),
                size="1",
                variant="soft",
            ),
            modal=False,
            on_open_change=Switcher.open_menu,
        )
    )


def new_organization_dialog() -> rx.Component:
    return dialog(
        "New organization",
        rx.el.form(
            labelled(
                "Name",
                text_input(
                    "new-org-name",
                    name="name",
                    required=True,
                    max_length=255,
                    auto_focus=True,
                    auto_complete="organization",
                ),
                field_id="new-org-name",
            ),
            form_error(Switcher.error),
            id="new-org-form",
            on_submit=Switcher.create_organization,
            class_name="flex flex-col gap-4",
        ),
        is_open=Switcher.creating,
        on_open_change=Switcher.set_creating,
        description="Its agents, runs, members and secrets are kept apart from those of your others.",
        actions=[button("Create", kind="primary", type="submit", form="new-org-form")],
    )
