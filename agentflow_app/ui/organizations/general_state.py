"""The organization's name and settings."""

from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.organizations.schemas import OrganizationOut, OrganizationUpdate
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, loads
from agentflow_app.ui.shell import Shell


class General(PageState, rx.State):
    org_id: str = ""
    name: str = ""
    slug: str = ""
    domains: str = ""
    require_second_factor: bool = False
    error: str = ""
    editable: bool = False

    @event
    @loads
    async def load(self) -> None:
        shell = await self.get_state(Shell)
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            self._fill(await OrganizationService(tx, actor).get())
            self.editable = actor.can("org:write")
        self.error = ""

    def _fill(self, organization: OrganizationOut) -> None:
        self.org_id, self.name, self.slug = str(organization.id), organization.name, organization.slug
        self.domains = "\n".join(organization.settings.invitation_domains)
        self.require_second_factor = organization.settings.require_second_factor

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        given = {
            "name": text_of(form, "name"),
            "slug": text_of(form, "slug"),
            "settings": {
                "invitation_domains": text_of(form, "domains").replace(",", " ").split(),
                "require_second_factor": bool(text_of(form, "require_second_factor")),
            },
        }
        shell = await self.get_state(Shell)
        try:
            data = read_form(OrganizationUpdate, given)
            async with self._transaction() as (tx, actor):
                self._fill(await OrganizationService(tx, actor).update(data))
        except AppError as error:
            self.error = problem(error)
            return None
        self.error, shell.organization = "", self.name
        return rx.toast.success("Saved")
