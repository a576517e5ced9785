"""How long the organization keeps runs, and what it takes out of them."""

from typing import Any

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.organizations.schemas import OrganizationOut, OrganizationUpdate
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, acts, event, loads
from agentflow_app.ui.shell import Shell


class Privacy(PageState, rx.State):
    org_id: str = ""
    run_days: str = ""
    log_days: str = ""
    fields: str = ""
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
        chosen = organization.settings
        self.org_id = str(organization.id)
        self.run_days, self.log_days = _shown(chosen.retention_days), _shown(chosen.log_retention_days)
        self.fields = "\n".join(chosen.redact_fields)

    @event
    @acts
    async def save(self, form: dict[str, Any]) -> Any:
        given = {
            "settings": {
                "retention_days": text_of(form, "run_days") or None,
                "log_retention_days": text_of(form, "log_days") or None,
                "redact_fields": [line for line in text_of(form, "fields").splitlines() if line.strip()],
            }
        }
        try:
            data = read_form(OrganizationUpdate, given)
            async with self._transaction() as (tx, actor):
                self._fill(await OrganizationService(tx, actor).update(data))
        except AppError as error:
            self.error = problem(error)
            return None
        self.error = ""
        return rx.toast.success("Saved")


def _shown(days: int | None) -> str:
    return str(days) if days else ""
