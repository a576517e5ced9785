"""Hands code to processes of its own, one for each run, and puts an end to those that do not."""

import asyncio
import json
import os
import signal
import sys
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import CodeCrashedError, CodeError, CodeLimitError, EngineError, SandboxUnavailableError
from engine.ports import Ran, Sandbox
from engine.sandbox.limits import CodeLimits
from engine.sandbox.turns import Turns

CHILD = Path(__file__).with_name("child.py")
# Threads of the child's that hardly do anything must not each have a heap of their own.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "TOKIO_WORKER_THREADS": "1"}
START_SECONDS = 15.0
"""What a process may take beside the code's own time, on a machine that has much else to do."""
FRAME_BYTES = 1 << 20
"""Of an answer, beside the output and what was printed."""
_CRASHED = "The process that ran the code died; it may have needed more memory than there is"


class ProcessSandbox:
    """At most `at_once` runs work at the same time. `spares` processes stand ready, once there was a first.

    Belongs to one event loop; close it, or spares live as long as this process.
    """

    def __init__(self, limits: CodeLimits | None = None, *, at_once: int = 2, spares: int = 1) -> None:
        self._limits = limits or CodeLimits()
        self._turns = Turns(at_once)
        self._most = spares
        self._spares: list[Process] = []
        self._making: set[asyncio.Task[None]] = set()
        self._closed = False

    def of(self, owner: str) -> Sandbox:
        """For the code of one owner; one that runs much of it keeps the others from their turn no longer."""
        return _Share(self, owner)

    async def run(self, code: str, inputs: Mapping[str, Any], *, seed: str, owner: str = "") -> Ran:
        async with self._turns.turn(owner):
            try:
                return await self._run({"code": code, "inputs": dict(inputs), "seed": seed})
            finally:
                self._restock()

    async def aclose(self) -> None:
        self._closed = True
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        while self._spares:
            await _end(self._spares.pop())

    async def _run(self, request: dict[str, Any]) -> Ran:
        while self._spares:
            spare = self._spares.pop()
            # One that says nothing may have died while it stood ready, which nobody saw yet.
            if spare.returncode is None and (ran := await self._run_in(spare, request)) is not None:
                return ran
        ran = await self._run_in(await self._start(), request)
        return ran or _failed(CodeCrashedError(_CRASHED))

    async def _run_in(self, process: Process, request: dict[str, Any]) -> Ran | None:
        """None where it ended without a word."""
        try:
            async with asyncio.timeout(self._limits.seconds + START_SECONDS):
                answer = await self._ask(process, json.dumps(request).encode())
        except TimeoutError:
            return _failed(CodeLimitError(f"The code took longer than {self._limits.seconds:g} s"))
        finally:
            await _end(process)
        if answer is None:
            return _failed(CodeLimitError("The output is too large"))
        return _read(answer) if answer else None

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *_command(json.dumps(asdict(self._limits))),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxUnavailableError(f"Code cannot be run at the moment: {error.strerror}") from error

    async def _ask(self, process: Process, request: bytes) -> bytes | None:
        """The answer, whatever there is of it; None where it is too long."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # it has died, and its answer says so
            process.stdin.write(request)
            await process.stdin.drain()
            process.stdin.close()
        most = self._limits.output_bytes + self._limits.printed_chars * 6 + FRAME_BYTES
        found = bytearray()
        while piece := await process.stdout.read(FRAME_BYTES):
            found += piece
            if len(found) > most:
                return None
        return bytes(found)

    def _restock(self) -> None:
        """After a run and not beside it: the next one may come soon."""
        if not self._closed and len(self._spares) + len(self._making) < self._most:
            task = asyncio.create_task(self._make(), name="sandbox-spare")
            self._making.add(task)
            task.add_done_callback(self._making.discard)

    async def _make(self) -> None:
        with suppress(SandboxUnavailableError):  # whoever needs one is told
            self._spares.append(await self._start())


@dataclass(frozen=True, slots=True)
class _Share:
    sandbox: ProcessSandbox
    owner: str

    async def run(self, code: str, inputs: Mapping[str, Any], *, seed: str) -> Ran:
        return await self.sandbox.run(code, inputs, seed=seed, owner=self.owner)


@cache
def _command(limits: str) -> tuple[str, ...]:
    """Nothing of it comes from the environment: what runs people's code must not be chosen there."""
    found = find_spec("pydantic_monty")
    if found is None or found.origin is None:
        raise SandboxUnavailableError("The interpreter for code is not installed")
    packages = str(Path(found.origin).parents[1])
    interpreter = str(Path(sysconfig.get_path("scripts"), "monty"))
    return (sys.executable, "-I", "-S", str(CHILD), packages, interpreter, limits)


async def _end(process: Process) -> None:
    """With all that it started, whatever they are doing."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(ConnectionError):
        await process.communicate()


def _read(answer: bytes) -> Ran:
    try:
        told = json.loads(answer)
    except ValueError:
        return _failed(CodeCrashedError(_CRASHED))
    failure = told["failure"]
    return Ran(told["output"], told["printed"], cut=told["cut"], failure=_error(failure) if failure else None)


def _error(failure: Mapping[str, Any]) -> EngineError:
    if failure["kind"] == "crash":
        return CodeCrashedError("The interpreter crashed over the code")
    if failure["kind"] == "limit":
        return CodeLimitError(failure["message"])
    line = failure.get("line")
    where = f"Line {line}: " if line else ""
    details = {"line": line, "frames": failure["frames"]} if line else {}
    return CodeError(f"{where}{failure['message']}", details=details)


def _failed(error: EngineError) -> Ran:
    return Ran(None, "", cut=False, failure=error)
