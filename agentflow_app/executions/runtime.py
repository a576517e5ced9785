"""Runs executions in a worker process: claims what is due, holds the leases, relays cancels and signals."""

import asyncio
import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import DBAPIError

from agentflow_app.core.clock import DatabaseClock, utcnow
from agentflow_app.core.errors import AppError, Unavailable
from agentflow_app.core.events import execution_channel, publish
from agentflow_app.core.jobs import hints
from agentflow_app.core.settings import Settings, settings
from agentflow_app.executions import claims
from agentflow_app.executions.assignments import Assignment, assignments
from agentflow_app.executions.base import LIMITS, RUN_JOB
from agentflow_app.executions.calling import CalledAgents
from agentflow_app.executions.claims import Claim
from agentflow_app.executions.journal import PostgresJournal, Standing
from agentflow_app.organizations.settings import read_settings
from agentflow_app.providers.service import egress, models
from agentflow_app.vault.runs import RunSecrets
from engine.context import TriggerInput
from engine.errors import EngineError, LeaseLostError
from engine.events import error_json, token_event
from engine.outcome import Released
from engine.ports import Iteration, Ports, Signal
from engine.runner import Runner
from engine.sandbox import CodeLimits, ProcessSandbox
from engine.settings import DryRun, RunSettings

logger = logging.getLogger(__name__)
MAX_CLAIMS = 5
"""After so many workers died on it without getting further, an execution is given up."""
_WORKER_CRASHED = f"The worker died {MAX_CLAIMS} times while it ran this; see the step that was running"
RENEWALS = 4
"""How often a lease is renewed before it would run out."""
GRACE_SECONDS = 5.0
HAND_BACK_SECONDS = 1.0
TOKEN_SECONDS = 0.1
"""How long streamed text is gathered before it is sent."""


@dataclass(slots=True)
class Held:
    """An execution that this process owns, and what runs it."""

    claim: Claim
    task: "asyncio.Task[None] | None" = None
    runner: Runner | None = None
    lost: bool = False
    in_turn: bool = False
    """Whether others wait for its end, by the agent's concurrency limit."""


class LiveEvents:
    """The engine's event sink: streamed tokens go out in groups, a few times a second."""

    def __init__(self, execution_id: UUID) -> None:
        self._id = str(execution_id)
        self._pending: dict[str, tuple[str, Iteration, list[str]]] = {}
        self._flush: asyncio.Task[None] | None = None

    async def token(self, step_id: str, node_id: str, iteration: Iteration, text: str) -> None:
        self._pending.setdefault(step_id, (node_id, iteration, []))[2].append(text)
        if self._flush is None:
            self._flush = asyncio.create_task(self._send_soon())

    async def _send_soon(self) -> None:
        await asyncio.sleep(TOKEN_SECONDS)
        pending, self._pending, self._flush = self._pending, {}, None
        channel = execution_channel(self._id)
        now = utcnow()
        await publish(
            [
                (channel, token_event(self._id, step_id, node_id, iteration, "".join(texts), now))
                for step_id, (node_id, iteration, texts) in pending.items()
            ]
        )


class ExecutionRuntime:
    """One per worker process, on one event loop."""

    def __init__(self, owner: str, config: Settings | None = None) -> None:
        self._owner = owner
        self._config = config or settings()
        self._held: dict[UUID, Held] = {}
        self._poked = asyncio.Event()
        self._stopping = False
        self._full = False
        self._loops: list[asyncio.Task[None]] = []
        self._sandbox = ProcessSandbox(
            CodeLimits(self._config.code_seconds, self._config.code_memory_mb << 20)
        )

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._claim_forever(), name="claim"),
            asyncio.create_task(self._poll_forever(), name="poll"),
            asyncio.create_task(self._renew_forever(), name="renew"),
        ]

    def poke(self) -> None:
        """Something may be due."""
        self._poked.set()

    async def stop(self) -> None:
        """Takes nothing new, lets steps finish for a moment, then hands every lease back."""
        self._stopping = True
        self._loops[0].cancel()
        for held in self._held.values():
            if held.runner:
                held.runner.release()
        running = [held.task for held in self._held.values() if held.task]
        if running:
            _, late = await asyncio.wait(running, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._sandbox.aclose()

    async def _claim_forever(self) -> None:
        while True:
            self._poked.clear()
            await self._claim()
            try:
                async with asyncio.timeout(self._config.reconcile_seconds):
                    await self._poked.wait()
            except TimeoutError:
                pass

    async def _claim(self) -> None:
        free = self._config.worker_concurrency - len(self._held)
        if free <= 0:
            self._full = True
            return
        try:
            claimed = await claims.claim(self._owner, free, self._config.lease_seconds)
        except AppError as error:
            logger.warning("Nothing claimed", extra={"error": error.message})
            return
        except Exception:
            logger.exception("Claiming crashed; it is tried again")
            return
        for each in claimed:
            self._begin(each)
        if len(claimed) == free:
            self._full = True
            hints().give(RUN_JOB)  # there may be more, and others may be free

    def _begin(self, claim: Claim) -> None:
        before = self._held.get(claim.id)
        if before is not None:
            self._drop(before)  # this process slept over its own lease
        held = Held(claim)
        self._held[claim.id] = held
        held.task = asyncio.create_task(self._run(held), name=f"execution-{claim.id}")

    async def _run(self, held: Held) -> None:
        claim = held.claim
        try:
            await self._drive(held)
        except LeaseLostError:
            logger.info("Execution taken over by another worker", extra={"execution_id": str(claim.id)})
        except asyncio.CancelledError:
            if not held.lost:
                with suppress(Unavailable):  # then the lease runs out
                    await self._hand_back(claim)
        except (Unavailable, OSError) as error:
            logger.warning(
                "Execution interrupted",
                extra={"execution_id": str(claim.id), "error": str(error)},
            )
            await self._hand_back_soon(claim)
        except Exception:
            logger.exception("Execution crashed", extra={"execution_id": str(claim.id)})
        finally:
            if self._held.get(claim.id) is held:
                del self._held[claim.id]
            if self._full:
                self._full = False
                self._poked.set()
            if held.in_turn:
                hints().give(RUN_JOB)  # the next of its agent may begin, here or elsewhere

    async def _drive(self, held: Held) -> None:
        """Runs it as far as it goes now; what can never go on fails with its reason."""
        claim = held.claim
        found = await assignments().read(claim)
        held.in_turn = found.agent_settings.get("concurrency_limit") is not None
        bare = found.event_seq == 0 and found.triggered_by != "replay"
        standing = Standing(found.event_seq, found.started_at or claim.claimed_at, bare=bare)
        journal = PostgresJournal(claim, standing, found.parent)
        if claim.claims > MAX_CLAIMS:
            await journal.give_up(error_json("WORKER_CRASHED", _WORKER_CRASHED, None, {}))
            return
        try:
            held.runner = await self._prepare(claim, found, journal)
            if claim.cancel_requested:
                held.runner.cancel()
            if self._stopping:
                held.runner.release()
            if isinstance(await held.runner.run(), Released):
                await self._hand_back(claim)
        except (LeaseLostError, Unavailable, OSError):
            raise
        except EngineError as error:
            await journal.give_up(error_json(error.code, error.message, None, error.details))
        except (DBAPIError, psycopg.Error) as error:
            logger.exception("Execution cannot be recorded", extra={"execution_id": str(claim.id)})
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
            message = f"The database refused what a step produced: {reason}"
            await journal.give_up(error_json("NOT_STORABLE", message, None, {}))
        except Exception as error:
            logger.exception("Execution crashed", extra={"execution_id": str(claim.id)})
            message = f"AgentFlow failed while it ran this ({type(error).__name__}); its log says more"
            await journal.give_up(error_json("INTERNAL_ERROR", message, None, {}))

    async def _prepare(self, claim: Claim, found: Assignment, journal: PostgresJournal) -> Runner:
        chosen = read_settings(found.organization_settings)
        way_out = egress().limited(chosen.egress_allowed_hosts)
        trigger = found.trigger
        options = {**found.options}
        limits = options.pop(LIMITS, {})
        return Runner(
            await assignments().definition(claim.org_id, found),
            Ports(
                journal=journal,
                events=LiveEvents(claim.id),
                models=models(),
                egress=way_out,
                clock=DatabaseClock(claim.claimed_at),
                secrets=RunSecrets(claim.org_id, claim.id, found.triggered_by_user, way_out),
                agents=CalledAgents(claim, journal),
                sandbox=self._sandbox.of(str(claim.org_id)),
            ),
            execution_id=str(claim.id),
            trigger=TriggerInput(
                triggered_by=found.triggered_by,
                node_id=trigger.get("node_id"),
                data=trigger.get("data"),
                headers=trigger.get("headers", {}),
                query=trigger.get("query", {}),
                method=trigger.get("method"),
            ),
            settings=self._run_settings({**found.agent_settings, **limits}, claim.active_ms),
            dry_run=DryRun(**options) if found.dry_run else None,
            variables=found.variables,
        )

    def _run_settings(self, agent_settings: dict[str, Any], active_ms: int) -> RunSettings:
        cost = agent_settings.get("max_cost")
        return RunSettings(
            timeout_seconds=agent_settings.get("timeout_seconds"),
            elapsed_seconds=active_ms / 1000,
            max_retries=agent_settings.get("max_retries", 3),
            max_steps=agent_settings.get("max_steps"),
            max_cost=Decimal(str(cost)) if cost is not None else None,
            most_steps=self._config.max_run_steps,
            max_output_bytes=self._config.max_output_mb << 20,
            max_state_bytes=self._config.max_state_mb << 20,
        )

    async def _hand_back_soon(self, claim: Claim) -> None:
        """Once the database answers; after a while the lease has run out anyway."""
        for _ in range(math.ceil(self._config.lease_seconds / HAND_BACK_SECONDS)):
            await asyncio.sleep(HAND_BACK_SECONDS)
            with suppress(Unavailable):
                await self._hand_back(claim)
                return

    async def _hand_back(self, claim: Claim) -> None:
        await claims.release(claim)
        hints().give(RUN_JOB)

    async def _poll_forever(self) -> None:
        while True:
            await asyncio.sleep(self._config.poll_seconds)
            if not self._held:
                continue
            try:
                notices = await claims.poll(list(self._held))
            except AppError as error:
                logger.warning("Held executions not polled", extra={"error": error.message})
                continue
            except Exception:
                logger.exception("Polling crashed; it is tried again")
                continue
            for notice in notices:
                self._relay(notice)

    def _relay(self, notice: claims.Notice) -> None:
        held = self._held.get(notice.id)
        if held is None or held.runner is None:
            return
        if notice.epoch > held.claim.epoch:
            self._drop(held)
        elif notice.epoch < held.claim.epoch:
            return  # read before we claimed it anew
        elif notice.cancel_requested:
            held.runner.cancel()
        elif notice.step_id is not None and notice.signal is not None:
            held.runner.deliver([Signal(str(notice.step_id), notice.signal)])

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self._config.lease_seconds / RENEWALS)
            held = list(self._held.values())
            if not held:
                continue
            try:
                ours = await claims.renew([each.claim for each in held], self._config.lease_seconds)
            except AppError as error:
                logger.warning("Leases not renewed", extra={"error": error.message})
                continue
            except Exception:
                logger.exception("Renewing crashed; it is tried again")
                continue
            for each in held:
                if each.claim.id not in ours and self._held.get(each.claim.id) is each:
                    self._drop(each)

    def _drop(self, held: Held) -> None:
        """Another worker owns it, or it has just ended: whatever still runs here must not go on."""
        held.lost = True
        if held.task:
            held.task.cancel()
