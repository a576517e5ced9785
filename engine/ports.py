"""What the engine needs from outside. The host implements these; `engine.testing` has in-memory ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import socket

    import httpx
    from pydantic_ai.models import Model

    from engine.errors import EngineError
    from engine.mail import MailServer
    from engine.secrets import Credential

    Stamp = Callable[[httpx.Request], httpx.Request]

StepStatus = Literal[
    "pending",
    "running",
    "retrying",
    "waiting",
    "waiting_approval",
    "uncertain",
    "completed",
    "failed",
    "skipped",
    "cancelled",
]
ExecutionEndStatus = Literal["completed", "failed", "cancelled"]
LogLevel = Literal["debug", "info", "warning", "error"]
Iteration = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one step consumed. Tokens are counts, `cost` is USD.

    `delegated` is the cost of the runs that it called: it counts for the budget, but is billed with those.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: Decimal = Decimal(0)
    model: str | None = None
    provider: str | None = None
    delegated: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def spent(self) -> Decimal:
        """What counts for the budget."""
        return self.cost + self.delegated


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """Why a step, or the whole execution, waits. `until` is when the wait resolves by itself."""

    kind: Literal["approval", "input", "timer", "webhook", "child", "budget", "uncertain"]
    until: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)  # frozen ones take three times as long to make, and each step makes several
class StepChange:
    """A step's new state, whole. `step_id` is a UUIDv7 that stays the same for (node, iteration)."""

    step_id: str
    node_id: str
    iteration: Iteration
    order: int
    status: StepStatus
    at: datetime
    attempt: int = 1
    input: Any = None
    output: Any = None
    handle: str | None = None
    """The handle that went live; None when the step ended without one (failed, skipped, dead end)."""
    error: Mapping[str, Any] | None = None
    waiting_for: WaitingFor | None = None
    retry_at: datetime | None = None
    usage: Usage | None = None
    duration_ms: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    at: datetime
    level: LogLevel
    message: str
    data: Mapping[str, Any] | None = None
    step_id: str | None = None
    node_id: str | None = None


Change = StepChange | LogEntry


@dataclass(slots=True)  # not frozen for the same reason
class StepState:
    """A step as the journal holds it. `signal` is what resolved its wait, not yet acted on."""

    step_id: str
    node_id: str
    iteration: Iteration
    order: int
    status: StepStatus
    attempt: int
    input: Any = None
    output: Any = None
    handle: str | None = None
    error: Mapping[str, Any] | None = None
    waiting_for: WaitingFor | None = None
    retry_at: datetime | None = None
    signal: Mapping[str, Any] | None = None
    usage: Usage | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What resolves a waiting step.

    `payload` is `{"kind": "timer"}` when `until` passed (also for an approval that expired), or
    `{"kind": "approval", "decision": "approved" | "rejected", "comment", "data", "decided_by"}`, or
    `{"kind": "child", "status", "output", "error", "tokens", "cost"}`, how the run that it called ended.
    Whoever holds the truth (the journal) decides which came first, so a step sees exactly one.
    """

    step_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionEnd:
    status: ExecutionEndStatus
    at: datetime
    output: Any = None
    error: Mapping[str, Any] | None = None
    """`{code, message, node_id, details}`."""


class Journal(Protocol):
    """The durable record of one execution.

    Every write is atomic, checks the lease and raises LeaseLostError.
    """

    async def load(self) -> Sequence[StepState]: ...

    async def write(self, changes: Sequence[Change]) -> None:
        """Records the changes and their events in this order."""

    async def park(self, changes: Sequence[Change], waiting_for: WaitingFor) -> Sequence[Signal]:
        """Records the changes and gives the execution up until a waiting step is signalled or `until` passes.

        If signals arrived in the meantime, they are returned instead and the execution stays claimed.
        """

    async def finish(self, changes: Sequence[Change], end: ExecutionEnd) -> None:
        """Records the changes and the end, with its totals, in one go."""


class EventSink(Protocol):
    """Live-only notices; nothing depends on their arrival."""

    async def token(self, step_id: str, node_id: str, iteration: Iteration, text: str) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""

    async def sleep(self, seconds: float) -> None: ...


class Egress(Protocol):
    """The one way out to the network: what is private, loopback or link-local is refused."""

    def http(self, stamp: "Stamp | None" = None) -> "AbstractAsyncContextManager[httpx.AsyncClient]":
        """A client that connects only to addresses it has checked, each redirect again.

        `stamp` makes of each request, redirects too, the one that leaves.
        """

    async def tcp(self, host: str, port: int) -> "socket.socket":
        """A connection to one of the host's addresses, each of which was checked, for what is no HTTP.

        Raises EgressRefusedError, OSError and TimeoutError. The caller closes it.
        """


class Secrets(Protocol):
    """The organization's secrets and credentials, opened for one execution, and only as they are used.

    Raises MissingSecretError, or SecretsUnavailableError for what may work later.
    """

    async def reveal(self, names: Collection[str]) -> Mapping[str, str]: ...

    async def credential(self, reference: str) -> "Credential":
        """By id or name, ready to be sent."""

    async def mail_server(self, reference: str | None) -> "MailServer":
        """The one of a credential, by id or name; without one the host's own, where that is lent."""

    async def used(self) -> Sequence[str]:
        """The values that this execution has used before, by whichever worker: they stay masked."""


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A run of another agent that a step asks for; under one `key` there is one, however often it is asked.

    `waits`: the step is signalled once it ends, and it is cancelled where its caller ends before. `max_cost`
    (USD): what it may spend at most, whatever its own settings allow.
    """

    agent_id: str
    input: Any
    key: str
    step_id: str
    node_id: str
    waits: bool
    max_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CalledRun:
    """`ended` is what the step's signal would say, for a run that was called before and is over."""

    execution_id: str
    ended: Mapping[str, Any] | None = None


class Agents(Protocol):
    """The organization's other agents, to be run as steps."""

    async def start(self, call: AgentCall) -> CalledRun:
        """Raises UnknownAgentError, AgentRefusedError, InvalidInputError, NestedTooDeepError,
        AgentsUnavailableError.
        """

    async def cancel(self, execution_id: str) -> None:
        """Of a run that was started here; does nothing to one that is over."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model ready to be called. `demo` marks the keyless one, whose output says so."""

    model: "Model"
    name: str
    provider: str
    demo: bool = False


class Models(Protocol):
    def resolve(self, name: str) -> ResolvedModel:
        """`[provider:]name`, or `default`. Raises UnknownModelError or MissingKeyError."""

    def known(self, name: str) -> bool:
        """Whether `resolve` could find a provider for it; for validation: a missing key is no failure."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """What code came to, as JSON, or how it failed; what it printed (`cut`: only the beginning of it)."""

    output: Any
    printed: str
    cut: bool = False
    failure: "EngineError | None" = None


class Sandbox(Protocol):
    """Where people's code runs: it computes and can do nothing else, within limits."""

    async def run(self, code: str, inputs: Mapping[str, Any], *, seed: str) -> Ran:
        """`inputs` is there under this name; `seed` is what chance comes from.

        Raises SandboxUnavailableError.
        """


def _no_secrets() -> Secrets:
    from engine.secrets import NoSecrets

    return NoSecrets()


def _no_agents() -> Agents:
    from engine.memory import NoAgents

    return NoAgents()


def _own_sandbox() -> Sandbox:
    from engine.sandbox import ProcessSandbox

    return ProcessSandbox(spares=0)


@dataclass(frozen=True, slots=True)
class Ports:
    journal: Journal
    events: EventSink
    models: Models
    egress: Egress
    clock: Clock
    secrets: Secrets = field(default_factory=_no_secrets)
    agents: Agents = field(default_factory=_no_agents)
    sandbox: Sandbox = field(default_factory=_own_sandbox)
