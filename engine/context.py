"""What a node sees of the execution while it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.mail import MailServer
from engine.masking import Masker
from engine.ports import (
    Agents,
    Clock,
    Egress,
    EventSink,
    Iteration,
    LogEntry,
    LogLevel,
    Models,
    Ports,
    Sandbox,
    Usage,
)
from engine.secrets import Stamp


@dataclass(frozen=True, slots=True)
class TriggerInput:
    """What started the execution. `node_id` names the trigger node; without it the fitting one is taken.

    `triggered_by`: `manual` `api` `webhook` `schedule` `chat` `form` `agent` `error` `replay` `test`.
    """

    triggered_by: str = "manual"
    node_id: str | None = None
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    method: str | None = None

    def scope(self) -> dict[str, Any]:
        """`trigger` in expressions."""
        return {
            "data": self.data,
            "headers": dict(self.headers),
            "query": dict(self.query),
            "method": self.method,
        }


class Context:
    """One attempt of one step."""

    __slots__ = (
        "_inputs",
        "_log",
        "_masker",
        "_ports",
        "attempt",
        "budget",
        "dry_run",
        "execution_id",
        "iteration",
        "node_id",
        "step_id",
        "timeout_seconds",
        "trigger",
        "usage",
    )

    def __init__(
        self,
        ports: Ports,
        log: Callable[[LogEntry], None],
        *,
        execution_id: str,
        step_id: str,
        node_id: str,
        iteration: Iteration,
        attempt: int,
        trigger: TriggerInput,
        inputs: Callable[[], Mapping[str, Any]],
        dry_run: bool,
        masker: Masker | None = None,
        timeout_seconds: float | None = None,
        budget: Decimal | None = None,
    ) -> None:
        self._ports = ports
        self._masker = masker or Masker()
        self._log = log
        self.execution_id = execution_id
        self.step_id = step_id
        self.node_id = node_id
        self.iteration = iteration
        self.attempt = attempt
        self.trigger = trigger
        self._inputs = inputs
        self.dry_run = dry_run
        self.timeout_seconds = timeout_seconds
        """What the node itself says that it may take, a wait included."""
        self.budget = budget
        """USD that the execution may still spend; None: any."""
        self.usage: Usage | None = None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Outputs of the live predecessors, by node id."""
        return self._inputs()

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt, also after a crash."""
        place = ".".join(map(str, self.iteration)) or "-"
        return f"{self.execution_id}:{self.node_id}:{place}"

    @property
    def clock(self) -> Clock:
        return self._ports.clock

    @property
    def models(self) -> Models:
        return self._ports.models

    @property
    def egress(self) -> Egress:
        return self._ports.egress

    @property
    def agents(self) -> Agents:
        return self._ports.agents

    def without_secrets(self, value: Any) -> Any:
        """JSON-like data as it may be stored."""
        return self._masker.json(value)

    @property
    def sandbox(self) -> Sandbox:
        return self._ports.sandbox

    async def stamp(self, credential: str | None) -> Stamp:
        """For `egress.http`: puts the credential, by id or name, on the way, and keeps secrets on theirs."""
        found = await self._ports.secrets.credential(credential) if credential else None
        return Stamp(found, self._masker)

    async def mail_server(self, credential: str | None) -> MailServer:
        return await self._ports.secrets.mail_server(credential)

    @property
    def events(self) -> EventSink:
        return self._ports.events

    async def token(self, text: str) -> None:
        """Shows a piece of streamed text live."""
        await self._ports.events.token(self.step_id, self.node_id, self.iteration, text)

    def log(self, message: str, *, level: LogLevel = "info", data: Mapping[str, Any] | None = None) -> None:
        """Adds a line to the execution's log; it is journalled with the step."""
        hidden = self._masker.json(data) if data is not None else None
        text = self._masker.text(message)
        self._log(LogEntry(self.clock.now(), level, text, hidden, self.step_id, self.node_id))

    def spend(self, usage: Usage) -> None:
        """Counts what was consumed before the step ended, so that a failed attempt is paid for too.

        What is counted here must not be in the Result's usage again.
        """
        self.usage = add_usage(self.usage, usage)


def add_usage(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        cost=one.cost + other.cost,
        model=other.model or one.model,
        provider=other.provider or one.provider,
        delegated=one.delegated + other.delegated,
    )
