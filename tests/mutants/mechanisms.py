"""What keeps the promises of runs: the smallest change that takes each away, and the tests that notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mechanism:
    """`old` stands once in `path`; with `new` in its place, one of the `tests` must fail."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


RECORDS = "agentflow_app/executions/records.py"
CLAIMS = "agentflow_app/executions/claims.py"
RUNTIME = "agentflow_app/executions/runtime.py"
RUNNER = "engine/runner.py"
TEST_CLAIMS = "tests/executions/test_claims.py"
TEST_POINTS = "tests/engine/runner/test_crash_points.py"
TEST_PROCESSES = "tests/workers/test_processes.py"

MECHANISMS = (
    Mechanism("the epoch that each write checks", RECORDS, "AND e.epoch = g.epoch ", "", (TEST_CLAIMS,)),
    Mechanism(
        "the count of events that each write checks", RECORDS, "AND e.event_seq = g.seq ", "", (TEST_CLAIMS,)
    ),
    Mechanism(
        "the epoch of a renewal",
        CLAIMS,
        "WHERE e.id = held.id AND e.epoch = held.epoch AND",
        "WHERE e.id = held.id AND",
        (TEST_CLAIMS,),
    ),
    Mechanism(
        "the renewal of leases",
        CLAIMS,
        "UPDATE executions e SET lease_until = now() + make_interval(secs => :lease)\n",
        "UPDATE executions e SET lease_until = e.lease_until\n",
        (TEST_CLAIMS,),
    ),
    Mechanism(
        "the count of attempts",
        CLAIMS,
        "claims = e.claims + 1",
        "claims = e.claims",
        (TEST_CLAIMS, "tests/executions/test_mishaps.py"),
    ),
    Mechanism(
        "the limit of attempts",
        RUNTIME,
        "if claim.claims > MAX_CLAIMS:",
        "if False:",
        ("tests/executions/test_mishaps.py",),
    ),
    Mechanism(
        "the lock of a claim",
        CLAIMS,
        "        FOR UPDATE OF e SKIP LOCKED\n",
        "",
        (TEST_CLAIMS,),
    ),
    Mechanism(
        "the wake-up that is sent again",
        "workers/scheduler.py",
        "    if await claims.due(1):\n        hints().give(RUN_JOB)\n",
        "",
        (f"{TEST_PROCESSES}::test_the_scheduler_sends_a_lost_wake_up_again",),
    ),
    Mechanism(
        "the look at what is due without any wake-up",
        RUNTIME,
        "async with asyncio.timeout(self._config.reconcile_seconds):",
        "async with asyncio.timeout(None):",
        ("tests/executions/test_mishaps.py::test_an_outage_hands_the_run_back_and_blames_nobody",),
    ),
    Mechanism(
        "the row of a delivery",
        "agentflow_app/triggers/service.py",
        "await keep_answer(tx, call, 202, {}, str(execution.id).encode())",
        "pass",
        ("tests/triggers/test_hooks.py",),
    ),
    Mechanism(
        "the row of a call with a key",
        "agentflow_app/core/idempotency.py",
        "    if row is None:\n        return None\n",
        "    return None\n",
        ("tests/agents/test_agents.py", "tests/triggers/test_hooks.py"),
    ),
    Mechanism(
        "the note of a tick",
        "agentflow_app/schedules/ticking.py",
        "        if not await _first(tx, row, found.at):\n            return False\n",
        "",
        ("tests/schedules/test_schedules.py",),
    ),
    Mechanism(
        "the idempotency key of a request",
        "engine/nodes/action/http_request.py",
        'headers["idempotency-key"] = context.idempotency_key',
        'headers["idempotency-key"] = str(context.clock.now())',
        (TEST_POINTS,),
    ),
    Mechanism(
        "the journal before an effect",
        RUNNER,
        "        if slow and not self._over:\n            await self._writer.flush()\n",
        "        if slow and not self._over:\n",
        (TEST_POINTS, "tests/engine/runner/test_recovery.py"),
    ),
    Mechanism(
        "the doubt about what must not be repeated",
        RUNNER,
        'elif step.status == "running" and step.must_not_repeat and not self._dry:',
        "elif False:",
        (TEST_POINTS,),
    ),
    Mechanism(
        "the answer that came while a run was parked",
        RECORDS,
        "            THEN execution_steps.signal END\n",
        "            THEN NULL END\n",
        ("tests/executions/test_running.py", "tests/core/test_races.py", TEST_CLAIMS),
    ),
)
