import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.context import Context, TriggerInput
from engine.llm.router import ModelRouter, ProviderConfig
from engine.ports import Iteration, LogEntry, Models, Ports
from engine.testing import MemoryJournal, NoEgress, SystemClock
from tests.model_server import ModelServer
from tests.model_server.fixtures import model_server, server

__all__ = ["model_server", "server"]

KEY = "sk-test-canary-4f1d9a"
PATIENCE = 60.0
IMPATIENCE = 0.2
"""Seconds without a byte after which a provider counts as gone, where the test is about one that is."""
SILENT = frozenset({"hang", "stall"})


@dataclass
class Asking:
    """A context to ask in, with what was streamed and logged."""

    context: Context
    tokens: list[str] = field(default_factory=list)
    logs: list[LogEntry] = field(default_factory=list)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first token."""


class _Tokens:
    def __init__(self, tokens: list[str], streaming: asyncio.Event) -> None:
        self._tokens = tokens
        self._streaming = streaming

    async def token(self, step_id: str, node_id: str, iteration: Iteration, text: str) -> None:
        self._tokens.append(text)
        self._streaming.set()


@dataclass(frozen=True)
class Wire:
    """One of the formats that we speak, with a model of it."""

    api: str
    model: str

    def named(self, behaviour: str) -> str:
        return f"{self.model}--{behaviour}"

    def providers(self, server: ModelServer, key: str | None = KEY) -> dict[str, ProviderConfig]:
        if self.api == "messages":
            return {"anthropic": ProviderConfig(key, server.anthropic_url)}
        api: Any = self.api
        return {"openai": ProviderConfig(key, server.openai_url, api)}


CHAT = Wire("chat", "gpt-4.1-mini")
RESPONSES = Wire("responses", "gpt-4.1-mini")
MESSAGES = Wire("messages", "claude-sonnet-4-6")


@pytest.fixture(params=[CHAT, RESPONSES, MESSAGES], ids=lambda wire: wire.api)
def wire(request: pytest.FixtureRequest) -> Wire:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def router_for(server: ModelServer) -> AsyncIterator[Callable[..., ModelRouter]]:
    made: list[ModelRouter] = []

    def make(*wires: Wire, key: str | None = KEY, silence: float = PATIENCE) -> ModelRouter:
        providers = {name: each for wire in wires for name, each in wire.providers(server, key).items()}
        made.append(ModelRouter(providers, silence_timeout=silence))
        return made[-1]

    yield make
    for router in made:
        await router.aclose()


@pytest.fixture
async def router(wire: Wire, router_for: Callable[..., ModelRouter]) -> ModelRouter:
    return router_for(wire)


@pytest.fixture
def asking() -> Callable[[Models], Asking]:
    def make(models: Models) -> Asking:
        tokens: list[str] = []
        logs: list[LogEntry] = []
        streaming = asyncio.Event()
        ports = Ports(MemoryJournal(), _Tokens(tokens, streaming), models, NoEgress(), SystemClock())
        context = Context(
            ports,
            logs.append,
            execution_id="execution",
            step_id="step",
            node_id="ask",
            iteration=(),
            attempt=1,
            trigger=TriggerInput(),
            inputs=dict,
            dry_run=False,
        )
        return Asking(context, tokens, logs, streaming)

    return make
