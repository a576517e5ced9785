"""For tests of agents and of the engine: ports in memory, a clock that stands still, scripted models.

clock = FakeClock()
run = asyncio.ensure_future(run_definition(definition, {"message": "hi"}, clock=clock))
await clock.asleep()
clock.advance(60)
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from engine.definition import Definition
from engine.egress import GuardedEgress
from engine.errors import UnknownModelError
from engine.library import RunResult, run
from engine.memory import MemoryEvents, MemoryJournal, NoAgents, NoEgress, NoModels, SystemClock
from engine.ports import Agents, Clock, Egress, Models, Ports, ResolvedModel, Secrets
from engine.secrets import NoSecrets

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models.function import AgentInfo, DeltaToolCall

__all__ = [
    "FakeClock",
    "LocalEgress",
    "MemoryEvents",
    "MemoryJournal",
    "NoEgress",
    "NoModels",
    "ScriptedModels",
    "SystemClock",
    "memory_ports",
    "run_definition",
]

Reply = str | Mapping[str, Any] | Exception


class FakeClock:
    """Time that passes only by `advance`."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._number = count()
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._number), waker))
        self._changed.set()
        await waker

    @property
    def sleepers(self) -> list[float]:
        """Seconds that each sleeper still has to go, the soonest first."""
        awake = [at for at, _, waker in sorted(self._sleepers, key=lambda each: each[:2]) if not waker.done()]
        return [(at - self._now).total_seconds() for at in awake]

    async def asleep(self, seconds: float | None = None) -> None:
        """Returns once somebody sleeps, with so many seconds to go where that is said."""
        while not self.sleepers if seconds is None else seconds not in self.sleepers:
            self._changed.clear()
            await self._changed.wait()

    def advance(self, seconds: float) -> None:
        """Lets time pass and wakes those whose time has come, in order."""
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, waker = heapq.heappop(self._sleepers)
            if not waker.done():
                waker.set_result(None)


class ScriptedModels:
    """Models that say what they were told to: by name a list of replies, one per call, the last one for good.

    Text answers as text, an object as structured output, an exception is raised. `calls` keeps the questions.
    """

    def __init__(self, replies: Mapping[str, Reply | Sequence[Reply]] | str = "ok") -> None:
        by_name = replies if isinstance(replies, Mapping) else {"default": replies}
        self._replies = {name: _script(reply) for name, reply in by_name.items()}
        self._used: dict[str, int] = {}
        self.calls: list[tuple[str, list[ModelMessage]]] = []

    def known(self, name: str) -> bool:
        return name in self._replies

    def resolve(self, name: str) -> ResolvedModel:
        from pydantic_ai.models.function import FunctionModel

        if name not in self._replies:
            raise UnknownModelError(f"There is no scripted model {name!r}")

        async def answer(messages: "list[ModelMessage]", info: "AgentInfo") -> "ModelResponse":
            return _response(self._next(name, messages), info)

        async def stream(
            messages: "list[ModelMessage]", info: "AgentInfo"
        ) -> "AsyncIterator[str | dict[int, DeltaToolCall]]":
            reply = self._next(name, messages)
            if not isinstance(reply, str):
                raise TypeError(f"{name!r} is scripted to answer with an object, but text was asked for")
            for number, word in enumerate(reply.split(" ")):
                yield f" {word}" if number else word

        model = FunctionModel(answer, stream_function=stream, model_name=name)
        return ResolvedModel(model, name, "scripted")

    async def aclose(self) -> None:
        return None

    def _next(self, name: str, messages: "list[ModelMessage]") -> Reply:
        self.calls.append((name, list(messages)))
        script = self._replies[name]
        used = self._used.get(name, 0)
        self._used[name] = used + 1
        reply = script[min(used, len(script) - 1)]
        if isinstance(reply, Exception):
            raise reply
        return reply


def _script(replies: Reply | Sequence[Reply]) -> list[Reply]:
    if isinstance(replies, str | Mapping | Exception):
        return [replies]
    return list(replies)


def _response(reply: Reply, info: "AgentInfo") -> "ModelResponse":
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

    if isinstance(reply, Mapping):
        import json

        if info.output_tools:
            return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, dict(reply))])
        return ModelResponse(parts=[TextPart(json.dumps(dict(reply)))])
    return ModelResponse(parts=[TextPart(str(reply))])


class LocalEgress(GuardedEgress):
    """The real egress, but every name leads to this machine, which it may reach."""

    def __init__(self, **options: Any) -> None:
        super().__init__(["127.0.0.0/8", "::1/128"], resolve=_this_machine, **options)


async def _this_machine(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def memory_ports(
    journal: MemoryJournal | None = None,
    *,
    clock: Clock | None = None,
    models: Models | None = None,
    egress: Egress | None = None,
    secrets: Secrets | None = None,
    agents: Agents | None = None,
) -> Ports:
    """Ports for a Runner of one's own."""
    clock = clock or (journal.clock if journal is not None else SystemClock())
    journal = journal or MemoryJournal(clock=clock)
    return Ports(
        journal=journal,
        events=MemoryEvents(journal.execution_id, clock, journal.on_event),
        models=models or NoModels(),
        egress=egress or NoEgress(),
        clock=clock,
        secrets=secrets or NoSecrets(),
        agents=agents or NoAgents(),
    )


async def run_definition(
    definition: Definition | Mapping[str, Any],
    data: Any = None,
    *,
    models: Models | None = None,
    egress: Egress | None = None,
    **options: Any,
) -> RunResult:
    """`engine.run` as tests want it: scripted models, and a network that ends at this machine."""
    return await run(
        definition, data, models=models or ScriptedModels(), egress=egress or LocalEgress(), **options
    )
