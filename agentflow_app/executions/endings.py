"""For callers that wait for the end of a run: one subscription a process, and Postgres where it is silent."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from agentflow_app.core.database import database
from agentflow_app.core.events import event_hub, notices
from agentflow_app.core.serialization import dumps
from agentflow_app.core.tenancy import Actor
from agentflow_app.executions.payloads import whole
from agentflow_app.executions.schemas import ENDED
from agentflow_app.executions.service import ExecutionService

CHANNEL = "agentflow:ended"
LARGEST_OUTPUT = 65_536
"""A longer output is read from Postgres by who waits for it."""
RECHECK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `error` is `{code, message, …}`."""

    status: str
    output: Any
    error: dict[str, Any] | None


def announce(execution_id: UUID, status: str, output: Any, error: Any) -> None:
    """Tells whoever waits, in any process. For the one who has just committed the end."""
    told = {"id": str(execution_id), "status": status}
    text = dumps({"output": output, "error": error})
    if len(text) <= LARGEST_OUTPUT:
        told["ending"] = orjson.Fragment(text)  # type: ignore[assignment]  # JSON within JSON
    notices().post([(CHANNEL, told)])


Expected = asyncio.Future["Ending | None"]


class Endings:
    """Of one process."""

    def __init__(self) -> None:
        self._expected: dict[str, list[Expected]] = {}
        self._listener: asyncio.Task[None] | None = None

    @contextmanager
    def expect(self, execution_id: UUID) -> Iterator[Expected]:
        """Listens from now on: best begun before the run is. None: it is time to look into Postgres."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="endings")
        future: Expected = asyncio.get_running_loop().create_future()
        waiting = self._expected.setdefault(str(execution_id), [])
        waiting.append(future)
        try:
            yield future
        finally:
            waiting.remove(future)
            if not waiting:
                self._expected.pop(str(execution_id), None)

    async def _listen(self) -> None:
        async with event_hub().subscribe(CHANNEL) as mailbox:
            while True:
                told = await mailbox.get(RECHECK_SECONDS)
                if mailbox.lagged:
                    mailbox.lagged = False
                    for some in self._expected.values():
                        _tell(some, None)
                if told is None:
                    continue
                some = self._expected.get(told["id"], [])
                if some:
                    known = told.get("ending")
                    _tell(some, Ending(told["status"], **known) if known else None)


def _tell(waiting: list[Expected], ending: Ending | None) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(ending)


async def ending_of(actor: Actor, execution_id: UUID, expected: Expected) -> Ending:
    """Waits for it; the caller bounds the time. Raises ExecutionNotFound."""
    while True:
        done, _ = await asyncio.wait({expected}, timeout=RECHECK_SECONDS)
        known = expected.result() if done else None
        if known is not None:
            return known
        async with database().transaction(actor) as tx:
            run = await ExecutionService(tx, actor).load(execution_id)
            if run.status in ENDED:
                output = await whole(tx, run.id, run.output, run.output_ref)
                return Ending(run.status, output, run.error)
        if done:
            await asyncio.sleep(0.05)


@lru_cache(maxsize=1)
def endings() -> Endings:
    return Endings()
