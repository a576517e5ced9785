"""Whatever code is handed in: it ends within its limits, reaches nothing, and the next piece of code runs."""

import os
from collections.abc import AsyncIterator

import pytest

from engine.nodes import registry
from engine.nodes.action.code import CodeConfig
from engine.sandbox import CodeLimits, ProcessSandbox
from tests.engine.expressions.test_sandbox import BOMBS, ESCAPES
from tests.engine.sandbox.programs import ENDLESS, GREEDY, HARMLESS, REFUSED, TOO_LARGE

CANARY = "canary-of-the-worker"
LIMITS = CodeLimits(seconds=0.5, memory_bytes=64 << 20, output_bytes=1 << 18, printed_chars=500)
ALL = {**ENDLESS, **GREEDY, **REFUSED, **HARMLESS, **TOO_LARGE}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[ProcessSandbox]:
    os.environ["HOSTILE_CANARY"] = CANARY
    sandbox = ProcessSandbox(LIMITS, spares=2)
    yield sandbox
    await sandbox.aclose()
    del os.environ["HOSTILE_CANARY"]


async def ran(sandbox, code):
    found = await sandbox.run(code, {"a": 1}, seed="s")
    failure = found.failure
    told = [found.output, found.printed, *((failure.message, failure.details) if failure else ())]
    assert CANARY not in repr(told)
    assert "root:" not in repr(told)
    assert len(found.printed) <= LIMITS.printed_chars
    if failure is not None:
        assert found.output is None
        assert 0 < len(failure.message) < 3000
        assert len(repr(failure.details)) < 5000
    return found


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_has_no_end_is_ended(sandbox, name):
    failure = (await ran(sandbox, ENDLESS[name])).failure
    assert (failure.code, "longer than 0.5 s" in failure.message) == ("CODE_LIMIT", True)


@pytest.mark.parametrize("name", GREEDY)
async def test_what_takes_too_much_memory_is_refused_it(sandbox, name):
    failure = (await ran(sandbox, GREEDY[name])).failure
    assert failure is not None
    assert failure.code in ("CODE_LIMIT", "CODE_CRASHED", "CODE_FAILED")


@pytest.mark.parametrize("name", REFUSED)
async def test_nothing_is_reached(sandbox, name):
    failure = (await ran(sandbox, REFUSED[name])).failure
    assert failure is not None
    assert failure.code in ("CODE_FAILED", "CODE_CRASHED")


@pytest.mark.parametrize("name", HARMLESS)
async def test_the_rest_does_no_harm(sandbox, name):
    failure = (await ran(sandbox, HARMLESS[name])).failure
    assert failure is None or failure.code in ("CODE_FAILED", "CODE_LIMIT")


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_output_has_a_limit(sandbox, name):
    failure = (await ran(sandbox, TOO_LARGE[name])).failure
    assert (failure.code, "larger than" in failure.message) == ("CODE_LIMIT", True)


@pytest.mark.parametrize("name", ALL)
def test_reading_it_for_problems_runs_nothing_and_ends(name):
    kind = registry.kind("action", "code")
    assert kind is not None
    problems = list(kind.problems(CodeConfig(code=ALL[name], inputs={}), None))
    assert all(problem.field == "code" and problem.message for problem in problems)


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(ALL) >= 150
    assert len(ALL) + len(ESCAPES) + len(BOMBS) >= 200
