"""The run that is on the screen, in the builder's drawer or on its own page, followed while it goes on."""

import json
from contextlib import aclosing
from typing import Any, Literal

import reflex as rx

from agentflow_app.core.database import Transaction, database
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.schemas import ApproveRequest, StepOut
from agentflow_app.executions.service import ExecutionService
from agentflow_app.executions.stream import follow
from agentflow_app.ui.executions.feed import RunFeed
from agentflow_app.ui.executions.gathering import gathered
from agentflow_app.ui.executions.view import (
    LogRow,
    NodeNames,
    RunData,
    RunRow,
    StepDetail,
    StepRow,
    from_text,
    is_demo,
    log_row,
    names_of,
    run_row,
    step_detail,
)
from agentflow_app.ui.session import PageState, SignedOut, actor_of, acts, background, event, id_of
from agentflow_app.ui.shell import Shell
from engine.nodes.registry import catalog


class Live(PageState, rx.State):
    """One run. What it shows is a cache; the journal is the truth and is read again at the end."""

    run: RunRow = RunRow()
    statuses: dict[str, dict[str, Any]] = {}
    steps: list[StepRow] = []
    detail: StepDetail = StepDetail()
    logs: list[LogRow] = []
    definition: dict[str, Any] = {}
    data: RunData = RunData()
    comment: str = ""
    edited: str | None = None
    deciding: bool = False
    _chosen: bool = False
    _followers: int = 0

    def _clear(self) -> None:
        self.run, self.detail = RunRow(), StepDetail()
        self.statuses, self.steps, self.logs = {}, [], []
        self.definition, self.data = {}, RunData()
        self.comment, self.edited, self._chosen = "", None, False

    async def _open(self, tx: Transaction, actor: Actor, execution_id: Any) -> None:
        """Shows the run as it is recorded now."""
        service = ExecutionService(tx, actor)
        run = await service.get(execution_id)
        if self.run.id != str(run.id):
            self._clear()
        steps = await service.steps(run.id)
        definition = await service.definition(run.id)
        feed = RunFeed(steps, names_of(definition, catalog()))
        self.definition = definition
        self.run = run_row(run)
        self.run.demo = any(is_demo(step.output_data) for step in steps)
        self.statuses, self.steps = feed.statuses(), feed.rows()
        self.data = RunData(
            run.trigger_data,
            run.output,
            run.output is not None,
            run.trigger_data_ref is not None,
            run.output_ref is not None,
        )
        self.logs = [log_row(entry) for entry in await service.logs(run.id)]
        self._choose(steps, names_of(definition, catalog()))

    def _choose(self, steps: list[StepOut], names: NodeNames) -> None:
        """Keeps the step that is looked at, else shows the one that matters: waiting, failed, or the last."""
        wanted = next((s for s in steps if str(s.id) == self.detail.id), None) if self._chosen else None
        for status in ("waiting_approval", "failed", "running", "completed"):
            wanted = wanted or next((s for s in reversed(steps) if s.status == status), None)
        if wanted:
            self.detail = step_detail(wanted, names)

    @background
    async def follow(self) -> None:
        """Puts the run's events on the screen until it ends, another run is opened or the tab is gone."""
        async with self:
            execution_id = self.run.id
            if not execution_id or self.run.ended:
                return
            try:
                actor = await actor_of(self)
            except SignedOut:
                return
            token = self.router.session.client_token
            self._followers += 1
            turn = self._followers
            names = names_of(self.definition, catalog())
        async with database().transaction(actor) as tx:
            feed = RunFeed(await ExecutionService(tx, actor).steps(id_of(execution_id)), names)
        async with aclosing(gathered(follow(actor, id_of(execution_id)), token)) as batches:
            async for events in batches:
                for event in events:
                    feed.apply(event)
                if not await self._put(execution_id, feed, turn):
                    return
        async with self:
            if self.run.id == execution_id:
                async with self._transaction() as (tx, actor):
                    await self._open(tx, actor, id_of(execution_id))

    async def _put(self, execution_id: str, feed: RunFeed, turn: int) -> bool:
        """False once another run is on the screen, or another follower of this one."""
        statuses, rows = feed.statuses(), feed.rows()
        async with self:
            if self.run.id != execution_id or self._followers != turn:
                return False
            self.statuses, self.steps = statuses, rows
            if feed.status and feed.status != self.run.status and not feed.ended:
                self.run.status = feed.status
                if feed.status == "waiting":
                    # What it waits for, and what is to be decided, is in the record.
                    async with self._transaction() as (tx, actor):
                        await self._open(tx, actor, id_of(execution_id))
                    return True
            shown = feed.step(self.detail.id)
            if shown and shown.status != self.detail.status:
                before = self.detail.input
                self.detail = step_detail(shown, names_of(self.definition, catalog()))
                self.detail.input = self.detail.input if self.detail.input is not None else before
            return True

    @event
    @acts
    async def select_step(self, step_id: str) -> None:
        async with self._transaction() as (tx, actor):
            steps = await ExecutionService(tx, actor).steps(id_of(self.run.id))
        for step in steps:
            if str(step.id) == step_id:
                self.detail, self._chosen = step_detail(step, names_of(self.definition, catalog())), True

    @event
    @acts
    async def select_node(self, node_id: str) -> None:
        async with self._transaction() as (tx, actor):
            steps = await ExecutionService(tx, actor).steps(id_of(self.run.id))
        for step in steps:
            if step.node_id == node_id:
                self.detail, self._chosen = step_detail(step, names_of(self.definition, catalog())), True

    @event
    @acts
    async def download(self, part: str) -> Any:
        """All of a value of which the page shows the beginning, as a file.

        Of the step its `input` or `output`, of the run its `result` or its `trigger` data.
        """
        async with self._transaction() as (tx, actor):
            service, run_id = ExecutionService(tx, actor), id_of(self.run.id)
            if part in ("result", "trigger"):
                run = await service.get_whole(run_id)
                found = run.output if part == "result" else run.trigger_data
            else:
                which: Literal["input", "output"] = "input" if part == "input" else "output"
                found = await service.whole_of(run_id, id_of(self.detail.id), which)
        return rx.download(data=json.dumps(found, ensure_ascii=False, indent=2), filename=f"{part}.json")

    @event
    @acts
    async def cancel(self) -> Any:
        async with self._transaction() as (tx, actor):
            await ExecutionService(tx, actor).cancel(id_of(self.run.id))
        return rx.toast.info("Cancelling. What is in flight stops now.")

    @event
    async def set_comment(self, comment: str) -> None:
        self.comment = str(comment)[:2000]

    @event
    async def set_edited(self, text: str) -> None:
        self.edited = str(text)

    @event
    @acts
    async def decide(self, decision: str) -> Any:
        """Approves or rejects the step that is looked at."""
        given = {"step_id": self.detail.id, "decision": decision, "comment": self.comment or None}
        if self.edited is not None and self.detail.editable and decision == "approved":
            given["data"] = from_text(self.edited, self.detail.show)
        request = ApproveRequest.model_validate(given)
        async with self._transaction() as (tx, actor):
            await ExecutionService(tx, actor).approve(id_of(self.run.id), request)
            await self._open(tx, actor, id_of(self.run.id))
            shell = await self.get_state(Shell)
            shell.waiting = len(await ExecutionService(tx, actor).approvals())
        self.comment, self.edited, self._chosen = "", None, False
        return rx.toast.success("Approved" if decision == "approved" else "Rejected")
