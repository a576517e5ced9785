import asyncio
from datetime import datetime

import pytest

from engine import Parked, RunSettings
from engine.definition import Retry
from engine.errors import RequestError, RequestRetryableError
from engine.retry import full_jitter, pause
from tests.engine.graphs import fetch, graph, put
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Host, ended


def flaky(*answers: Answer):
    left = list(answers)
    return lambda request: left.pop(0) if left else Answer(body="fine")


async def through_pauses(host: Host):
    """Runs to the end, letting time pass when only a timer is left; gives the pauses, in seconds."""
    pauses = []
    while True:
        task = asyncio.create_task(host.run())
        while not task.done():
            retrying = [step for step in host.journal.steps.values() if step.status == "retrying"]
            if retrying and host.clock.sleepers:
                pauses.append(host.clock.sleepers[0])
                host.clock.advance(pauses[-1])
            await asyncio.sleep(0)
        outcome = task.result()
        if not isinstance(outcome, Parked):
            return ended(outcome), pauses
        assert outcome.waiting_for.kind == "timer"
        pauses.append((outcome.waiting_for.until - host.clock.now()).total_seconds())
        host.clock.advance(pauses[-1])


async def test_what_may_pass_is_tried_again_with_growing_pauses(egress):
    async with serving(flaky(Answer(500), Answer(503), Answer(500))) as server:
        host = Host(graph(fetch("a", server.url), put("b"), "a>b"), egress=egress)
        end, pauses = await through_pauses(host)
    assert end.status == "completed"
    # The jitter of these tests takes the longest pause: 2, 4, 8 s, the last of which gives the worker back.
    assert pauses == [2, 4, 8]
    assert host.steps["a"].attempt == 4
    retrying = host.events("step.retrying")
    assert [event["attempt"] for event in retrying] == [1, 2, 3]
    assert {event["error"]["code"] for event in retrying} == {"HTTP_ERROR"}
    assert datetime.fromisoformat(retrying[0]["retry_at"]) > datetime.fromisoformat(retrying[0]["timestamp"])
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


async def test_after_the_last_retry_it_fails(egress):
    async with serving(lambda request: Answer(500)) as server:
        host = Host(graph(fetch("a", server.url, retry={"max_retries": 1})), egress=egress)
        end, pauses = await through_pauses(host)
    assert end.status == "failed"
    assert end.error["details"]["status"] == 500
    assert len(server.requests) == 2
    assert pauses == [2]


async def test_the_agents_setting_holds_where_the_node_says_nothing(egress):
    async with serving(lambda request: Answer(500)) as server:
        host = Host(graph(fetch("a", server.url)), egress=egress, settings=RunSettings(max_retries=0))
        end, _ = await through_pauses(host)
    assert end.status == "failed"
    assert len(server.requests) == 1


async def test_what_will_not_pass_fails_at_once(egress):
    async with serving(lambda request: Answer(404)) as server:
        end, pauses = await through_pauses(Host(graph(fetch("a", server.url)), egress=egress))
    assert (end.status, pauses, len(server.requests)) == ("failed", [], 1)


async def test_retry_after_is_honoured_even_where_it_is_longer_than_the_pause(egress):
    async with serving(flaky(Answer(429, headers={"retry-after": "120"}))) as server:
        host = Host(graph(fetch("a", server.url)), egress=egress)
        outcome = await host.run()
        assert isinstance(outcome, Parked)
        assert outcome.waiting_for.details["node_id"] == "a"
        host.clock.advance(119)
        task = asyncio.create_task(host.run())
        await host.clock.asleep(1)
        assert len(server.requests) == 1
        host.clock.advance(1)
        assert ended(await task).status == "completed"


async def test_while_others_run_a_long_pause_does_not_give_the_worker_back(egress):
    let_go = asyncio.Event()
    served = 0

    async def answer(request):
        nonlocal served
        if request.path == "/slow":
            await let_go.wait()
        elif served == 0:
            served += 1
            return Answer(429, headers={"retry-after": "30"})
        return Answer(body={})

    async with serving(answer) as server:
        definition = graph(fetch("slow", f"{server.url}/slow"), fetch("busy", f"{server.url}/busy"))
        host = Host(definition, egress=egress)
        _, task = host.start()
        await host.clock.asleep(30)
        host.clock.advance(30)
        while host.statuses["busy"] != "completed":
            await asyncio.sleep(0)
        assert host.statuses["slow"] == "running"
        let_go.set()
        assert ended(await task).status == "completed"
    assert host.events("execution.waiting") == []


async def test_a_step_that_takes_too_long_is_stopped_and_tried_again(egress):
    async def hang(request):
        if len(server.requests) == 1:
            await asyncio.Event().wait()
        return Answer(body="fine")

    async with serving(hang) as server:
        host = Host(graph(fetch("a", server.url, timeout_seconds=7)), egress=egress)
        _, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        assert host.clock.sleepers == [7]
        host.clock.advance(7)
        await server.disconnected.wait()
        await host.clock.asleep(2)
        assert host.steps["a"].error["code"] == "TIMEOUT"
        host.clock.advance(2)
        assert ended(await task).output["body"] == "fine"


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (100, 60.0)]
)
def test_pauses_double_up_to_their_maximum(attempt, longest):
    retry = Retry(max_retries=20)
    error = RequestRetryableError("busy")
    expected = None if attempt > 20 else longest
    assert pause(retry, attempt, error, lambda longest: longest) == expected


def test_full_jitter_takes_anything_up_to_the_longest():
    drawn = [full_jitter(10) for _ in range(200)]
    assert 0 <= min(drawn) < max(drawn) <= 10


def test_what_is_not_retryable_or_asks_for_days_is_not_waited_for():
    assert pause(Retry(), 1, RequestError("no"), full_jitter) is None
    assert pause(Retry(), 1, RequestRetryableError("later", retry_after=90_000), full_jitter) is None
