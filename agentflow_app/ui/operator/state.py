"""The installation as its operator sees it: health, and the usage of organizations in figures."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from agentflow_app.core.errors import AppError
from agentflow_app.operator.schemas import AccountStatusUpdate, StandingUpdate, UsageOut
from agentflow_app.operator.service import NotAnOperator, OperatorService
from agentflow_app.ui.figures import cost, duration, size, tokens
from agentflow_app.ui.forms import problem, read_form, text_of
from agentflow_app.ui.session import PageState, actor_of, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell


@dataclass
class UsageRow:
    id: str = ""
    name: str = ""
    slug: str = ""
    plan: str = ""
    status: str = ""
    members: int = 0
    agents: int = 0
    executions: int = 0
    failures: int = 0
    spent: str = ""
    storage: str = ""


@dataclass
class AccountRow:
    id: str = ""
    name: str = ""
    email: str = ""
    active: bool = True


class Operator(PageState, rx.State):
    rows: list[UsageRow] = []
    search: str = ""
    health: list[tuple[str, str]] = []
    target: UsageRow = UsageRow()
    asking: bool = False
    account: AccountRow = AccountRow()
    account_error: str = ""
    locking: bool = False

    @event
    @loads
    async def load(self) -> None:
        self.search = self.router.url.query_parameters.get("search", "")[:200]
        self.asking, self.locking, self.account, self.account_error = False, False, AccountRow(), ""
        self.rows, self.health = [], []
        await self._read()

    async def _read(self) -> None:
        shell = await self.get_state(Shell)
        actor = await actor_of(self)
        shell._show(actor)
        service = OperatorService(actor)
        found = await service.health()
        self.rows = [_row(each) for each in await service.organizations(self.search)]
        waited = (
            duration(found.oldest_waiting * 1000) if found.oldest_waiting is not None else "nothing waits"
        )
        self.health = [
            ("PostgreSQL", "up" if found.database else "down"),
            ("Redis", "up" if found.redis else "down"),
            *((kind.capitalize() + "s alive", str(count)) for kind, count in found.processes.items()),
            ("Runs now", str(found.executions.get("running", 0))),
            ("Oldest run in the queue", waited),
        ]

    @event
    async def set_search(self, search: str) -> Any:
        self.search = str(search)[:200]
        query = urlencode({"search": self.search}) if self.search else ""
        return rx.redirect(f"/operator?{query}" if query else "/operator", replace=True)

    @event
    @acts
    async def ask(self, org_id: str) -> None:
        if not (await actor_of(self)).operates:
            raise NotAnOperator
        found = next((row for row in self.rows if row.id == org_id), None)
        if found is not None:
            self.target, self.asking = found, True

    @event
    async def set_asking(self, is_open: bool) -> None:
        self.asking = bool(is_open)

    @event
    @acts
    async def suspend(self) -> Any:
        self.asking = False
        return await self._set_standing(self.target.id, "suspended")

    @event
    @acts
    async def restore(self, org_id: str) -> Any:
        return await self._set_standing(org_id, "active")

    async def _set_standing(self, org_id: str, status: str) -> Any:
        data = read_form(StandingUpdate, {"status": status})
        actor = await actor_of(self)
        changed = await OperatorService(actor).set_standing(id_of(org_id), data.status)
        await self._read()
        outcome = "is suspended" if status == "suspended" else "is in use again"
        return rx.toast.success(f"{changed.name} {outcome}")

    @event
    @acts
    async def find_account(self, form: dict[str, Any]) -> None:
        self.account, self.account_error = AccountRow(), ""
        actor = await actor_of(self)
        try:
            found = await OperatorService(actor).account(text_of(form, "email"))
        except AppError as error:
            self.account_error = problem(error)
            return
        self.account = AccountRow(str(found.id), found.name, found.email, found.is_active)

    @event
    async def set_locking(self, is_open: bool) -> None:
        self.locking = bool(is_open)

    @event
    @acts
    async def set_account(self, status: str) -> Any:
        self.locking = False
        data = read_form(AccountStatusUpdate, {"status": status})
        actor = await actor_of(self)
        active = data.status == "active"
        changed = await OperatorService(actor).set_account(id_of(self.account.id), active)
        self.account = AccountRow(str(changed.id), changed.name, changed.email, changed.is_active)
        return rx.toast.success(f"{changed.name} {'may log in again' if active else 'is locked out'}")


def _row(usage: UsageOut) -> UsageRow:
    return UsageRow(
        id=str(usage.id),
        name=usage.name,
        slug=usage.slug,
        plan=usage.plan,
        status=usage.status,
        members=usage.members,
        agents=usage.agents,
        executions=usage.executions,
        failures=usage.failures,
        spent=", ".join(part for part in (tokens(usage.tokens), cost(usage.cost)) if part) or "none",
        storage=size(usage.storage),
    )
