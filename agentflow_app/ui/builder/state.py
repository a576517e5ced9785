"""The builder: loads the draft, answers autosaves, tests, publishes and runs."""

import json
from dataclasses import dataclass
from typing import Any

import reflex as rx

from agentflow_app.agents.definitions import InvalidDefinition
from agentflow_app.agents.diff import diff
from agentflow_app.agents.drafts import DraftConflict
from agentflow_app.agents.names import runnable_agents
from agentflow_app.agents.schemas import AgentOut, AgentUpdate, DraftOut, DraftUpdate, PublishRequest
from agentflow_app.agents.service import AgentService
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import AppError, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ExecuteRequest, ExecutionQuery, TestRequest
from agentflow_app.executions.service import ExecutionService
from agentflow_app.schedules.service import preview
from agentflow_app.ui.executions.live import Live
from agentflow_app.ui.schedules.state import as_shown
from agentflow_app.ui.session import PageState, SignedOut, acts, event, id_of, loads
from agentflow_app.ui.shell import Shell
from agentflow_app.vault.names import MAIL, credential_names, known_names


@dataclass
class ChangeRow:
    """One line of what publishing changes."""

    change: str = ""
    kind: str = ""
    label: str = ""
    fields: str = ""


@dataclass
class AgentHead:
    id: str = ""
    name: str = ""
    status: str = ""
    version: int = 0
    webhook_url: str = ""
    form_url: str = ""


@dataclass
class NamedRow:
    """Something that the organization has: how it is shown, and what goes into the config."""

    label: str = ""
    path: str = ""


class Builder(PageState, rx.State):
    """One agent's draft. The browser holds the working copy; this side holds what was saved."""

    agent: AgentHead = AgentHead()
    draft: dict[str, Any] = {"key": "", "agent_id": "", "definition": {}, "revision": 0, "read_only": True}
    ack: dict[str, Any] = {"request": "", "status": "saved", "revision": 0}
    problems: list[dict[str, Any]] = []
    credentials: list[NamedRow] = []
    """What requests are sent with; mail servers are a list of their own."""

    mail_servers: list[NamedRow] = []
    agents: list[NamedRow] = []
    variables: list[NamedRow] = []
    secrets: list[NamedRow] = []
    unpublished: bool = False
    upcoming: dict[str, list[str]] = {}
    """When each schedule trigger of the draft would run next, on its own clock."""

    sample: str = "{}"
    sample_error: str = ""
    drawer: bool = False
    tab: str = "run"
    testing: bool = False
    starting: bool = False

    settings_open: bool = False
    publish_open: bool = False
    publishing: bool = False
    message: str = ""
    changes: list[ChangeRow] = []
    refused: bool = False

    _live: dict[str, Any] = {}

    @event
    @loads
    async def load(self) -> Any:
        live = await self.get_state(Live)
        shell = await self.get_state(Shell)
        live._clear()
        self.reset()  # type: ignore[no-untyped-call]  # Reflex's own
        async with self._transaction() as (tx, actor):
            shell._show(actor)
            service = AgentService(tx, actor)
            agent = await service.get(id_of(self.router.url.path.rstrip("/").rpartition("/")[2]))
            draft, addresses = await service.get_draft(agent.id), await service.addresses(agent.id)
            if agent.latest_version:
                self._live = (await service.version(agent.id, agent.latest_version)).definition
            runs = await ExecutionService(tx, actor).list(ExecutionQuery(agent_id=agent.id, limit=1))
            can_write = actor.can("agents:write")
            await self._read_names(tx, actor)
        if runs.data:
            self.sample = _pretty(runs.data[0].trigger_data)
        self._show(agent)
        self.agent.webhook_url = addresses.get("webhook_url", "")
        self.agent.form_url = addresses.get("form_url", "")
        self._take(draft, read_only=not can_write)

    async def _read_names(self, tx: Transaction, actor: Actor) -> None:
        names, credentials = await known_names(tx, actor), await credential_names(tx, actor)
        self.credentials = [NamedRow(each.name, each.id) for each in credentials if each.type != MAIL]
        self.mail_servers = [NamedRow(each.name, each.id) for each in credentials if each.type == MAIL]
        self.agents = [NamedRow(each.name, each.id) for each in await runnable_agents(tx, actor)]
        self.variables = [NamedRow(name, f"{{{{ vars.{name} }}}}") for name in sorted(names.variables)]
        self.secrets = [NamedRow(name, f"{{{{ secrets.{name} }}}}") for name in sorted(names.secrets)]

    @event
    @acts
    async def refresh_names(self) -> None:
        """What the organization has by now: something may have been made in another tab."""
        async with self._transaction() as (tx, actor):
            await self._read_names(tx, actor)

    def _show(self, agent: AgentOut) -> None:
        self.agent = AgentHead(
            id=str(agent.id),
            name=agent.name,
            status=agent.status,
            version=agent.latest_version or 0,
            webhook_url=self.agent.webhook_url,
            form_url=self.agent.form_url,
        )

    def _take(self, draft: DraftOut, *, read_only: bool) -> None:
        self.draft = {
            "key": str(new_id()),
            "agent_id": self.agent.id,
            "definition": draft.definition,
            "revision": draft.revision,
            "read_only": read_only,
        }
        self._note(draft)

    def _note(self, draft: DraftOut) -> None:
        self.upcoming = {
            node_id: [as_shown(each.local) for each in times]
            for node_id, times in preview(draft.definition).items()
        }
        self.problems = [problem.model_dump(mode="json") for problem in draft.problems]
        self.unpublished = bool(diff(self._live, draft.definition).parts) if self._live else True

    def _answer(self, request: dict[str, Any], status: str, revision: int = 0) -> None:
        self.ack = {"request": str(request.get("request", "")), "status": status, "revision": revision}

    @event
    async def save(self, request: dict[str, Any]) -> Any:
        """An autosave: {request, agent_id, definition, revision}. Its outcome goes back in `ack`."""
        agent_id = str(request.get("agent_id", ""))
        try:
            data = DraftUpdate(definition=request["definition"], revision=request["revision"])
            async with self._transaction() as (tx, actor):
                draft = await AgentService(tx, actor).save_draft(id_of(agent_id), data)
        except DraftConflict as error:
            current = error.details["current"]
            if current["definition"] == error.details["yours"]["definition"]:
                # An earlier save of the same arrived though its answer did not.
                self._answer(request, "saved", current["revision"])
                return None
            self._answer(request, "conflict", current["revision"])
            return None
        except SignedOut:
            self._answer(request, "failed")
            return rx.toast.error("You were logged out. Log in again in another tab; your work is kept here.")
        except (AppError, ValueError, KeyError) as error:
            self._answer(request, "failed")
            text = error.message if isinstance(error, AppError) else "The draft was not understood"
            return rx.toast.error("Not saved", description=text)
        self._answer(request, "saved", draft.revision)
        if agent_id == self.agent.id:
            self._note(draft)
        return None

    @event
    @acts
    async def take_theirs(self) -> None:
        async with self._transaction() as (tx, actor):
            draft = await AgentService(tx, actor).get_draft(id_of(self.agent.id))
            can_write = actor.can("agents:write")
        self._take(draft, read_only=not can_write)

    @event
    @acts
    async def rename(self, name: str) -> None:
        if not str(name).strip() or name == self.agent.name:
            return
        async with self._transaction() as (tx, actor):
            agent = await AgentService(tx, actor).update(id_of(self.agent.id), AgentUpdate(name=name))
        self.agent.name = agent.name

    @event
    async def set_sample(self, text: str) -> None:
        self.sample, self.sample_error = str(text), ""

    @event
    async def set_tab(self, tab: str) -> None:
        self.tab = str(tab)

    @event
    async def set_drawer(self, is_open: bool) -> None:
        self.drawer = bool(is_open)

    def _input(self) -> Any:
        try:
            return json.loads(self.sample or "{}")
        except ValueError as error:
            self.sample_error = f"This is not JSON: {error}"
            self.drawer, self.tab = True, "input"
            raise ValidationFailed(
                "The test input is not JSON", fields={"trigger_data": str(error)}
            ) from error

    @event
    async def test(self, definition: dict[str, Any]) -> Any:
        """Runs what is on the canvas, saved or not, without its side effects."""
        self.testing, self.drawer, self.tab = True, True, "run"
        yield
        yield await self._start_test(definition)
        self.testing = False

    @acts
    async def _start_test(self, definition: dict[str, Any]) -> Any:
        live = await self.get_state(Live)
        request = TestRequest(trigger_data=self._input(), definition=definition)
        async with self._transaction() as (tx, actor):
            try:
                run = await ExecutionService(tx, actor).test(id_of(self.agent.id), request)
            except InvalidDefinition as error:
                self._refuse(error)
                raise
        # After the commit: a worker may have begun, and the page reads what it has written so far.
        async with self._transaction() as (tx, actor):
            await live._open(tx, actor, run.id)
        return Live.follow

    def _refuse(self, error: InvalidDefinition) -> None:
        self.problems = error.details.get("problems", self.problems)

    @event
    @acts
    async def run(self) -> Any:
        """Starts the live version and shows its run."""
        async with self._transaction() as (tx, actor):
            run = await ExecutionService(tx, actor).start(
                id_of(self.agent.id), ExecuteRequest(trigger_data=self._input())
            )
        return rx.redirect(f"/runs/{run.id}")

    @event
    @acts
    async def open_publish(self, definition: dict[str, Any]) -> None:
        await self._ensure("agents:read")
        parts = diff(self._live, definition).parts
        self.changes = [
            ChangeRow(p.change, p.kind, p.label, ", ".join(c.field for c in p.changes)) for p in parts
        ]
        self.refused = any(problem["severity"] == "error" for problem in self.problems)
        self.message, self.publish_open = "", True

    @event
    async def set_publish_open(self, is_open: bool) -> None:
        self.publish_open = bool(is_open)

    @event
    async def set_message(self, message: str) -> None:
        self.message = str(message)

    @event
    async def publish(self, definition: dict[str, Any]) -> Any:
        self.publishing = True
        yield
        yield await self._publish(definition)
        self.publishing = False

    @acts
    async def _publish(self, definition: dict[str, Any]) -> Any:
        request = PublishRequest(change_message=self.message or None, definition=definition)
        async with self._transaction() as (tx, actor):
            service = AgentService(tx, actor)
            try:
                version = await service.publish(id_of(self.agent.id), request)
            except InvalidDefinition as error:
                self._refuse(error)
                self.refused = True
                raise
            agent = await service.get(version.agent_id)
        self._show(agent)
        self._live, self.unpublished, self.publish_open = version.definition, False, False
        return rx.toast.success(f"Version {version.version} is live")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
