"""The processes that code runs in: what they have, how they end, and that none is left."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest

from engine.errors import SandboxUnavailableError
from engine.sandbox import CodeLimits, ProcessSandbox
from engine.sandbox import process as sandbox_process

ENDLESS = "while True: pass"


@pytest.fixture
async def sandbox() -> AsyncIterator[ProcessSandbox]:
    sandbox = ProcessSandbox(CodeLimits(seconds=60))
    yield sandbox
    await sandbox.aclose()
    await none_left()


def processes() -> list[psutil.Process]:
    """Those that run code, their interpreters not."""
    found = []
    for child in psutil.Process().children():
        try:
            found += [child] if str(sandbox_process.CHILD) in child.cmdline() else []
        except psutil.NoSuchProcess:
            continue
    return found


async def none_left() -> None:
    while processes():
        await asyncio.sleep(0.01)


async def interpreter_of(process: psutil.Process) -> psutil.Process:
    """Once it is at work."""
    while True:
        for child in process.children():
            if child.cpu_times().user > 0.05:
                return child
        await asyncio.sleep(0.01)


async def at_work(sandbox: ProcessSandbox) -> tuple["asyncio.Task[object]", psutil.Process, psutil.Process]:
    task = asyncio.create_task(sandbox.run(ENDLESS, {}, seed="s"))
    while not processes():
        await asyncio.sleep(0.01)
    (process,) = processes()
    return task, process, await interpreter_of(process)


async def test_it_has_nothing_of_ours_and_can_open_nothing(sandbox, monkeypatch):
    monkeypatch.setenv("CANARY", "canary")
    task, process, interpreter = await at_work(sandbox)
    assert set(process.environ()) == set(sandbox_process.ENVIRONMENT)
    assert interpreter.environ() == {}
    for each in (process, interpreter):
        assert each.cwd() == "/"
        assert os.getsid(each.pid) == process.pid != os.getsid(0)
        assert each.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert each.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
        assert each.rlimit(resource.RLIMIT_CPU) == (62, 62)
        assert 0 < each.rlimit(resource.RLIMIT_AS)[0] < 1 << 30
        assert each.net_connections() == []
    assert interpreter.rlimit(resource.RLIMIT_NOFILE) == (0, 0)
    assert interpreter.rlimit(resource.RLIMIT_NPROC) == (0, 0)
    assert interpreter.num_fds() <= 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_cancelling_ends_the_process_and_its_interpreter(sandbox):
    task, process, interpreter = await at_work(sandbox)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(psutil.wait_procs, [process, interpreter])
    assert (await sandbox.run("1 + 1", {}, seed="s")).output == 2


@pytest.mark.parametrize("which", [1, 2], ids=["process", "interpreter"])
async def test_one_that_is_killed_is_a_clear_failure_and_the_next_runs(sandbox, which):
    task, *both = await at_work(sandbox)
    both[which - 1].kill()
    ran = await task
    assert (ran.failure.code, ran.output) == ("CODE_CRASHED", None)
    assert (await sandbox.run("1 + 1", {}, seed="s")).output == 2


async def test_one_that_does_not_keep_to_its_limits_is_ended_from_outside(monkeypatch):
    monkeypatch.setattr(sandbox_process, "START_SECONDS", 0.0)
    sandbox = ProcessSandbox(CodeLimits(seconds=0.001), spares=0)
    ran = await sandbox.run(ENDLESS, {}, seed="s")
    assert (ran.failure.code, "longer than" in ran.failure.message) == ("CODE_LIMIT", True)
    await none_left()


async def test_spares_stand_ready_and_dead_ones_are_not_used(sandbox):
    assert processes() == []
    await sandbox.run("1", {}, seed="s")
    while not processes():
        await asyncio.sleep(0.01)
    (spare,) = processes()
    spare.kill()
    with suppress(psutil.NoSuchProcess):
        while spare.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
    assert (await sandbox.run("2", {}, seed="s")).output == 2


async def test_so_many_run_at_the_same_time_as_it_may_have(sandbox):
    tasks = [asyncio.create_task(sandbox.run(ENDLESS, {}, seed="s")) for _ in range(5)]
    while len(processes()) < 2:
        await asyncio.sleep(0.01)
    for process in processes():
        await interpreter_of(process)
    assert len(processes()) == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_machine_that_starts_no_process_is_told_as_such(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with pytest.raises(SandboxUnavailableError, match="temporarily unavailable"):
        await ProcessSandbox().run("1", {}, seed="s")
