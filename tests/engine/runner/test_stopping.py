import asyncio

from engine import Parked, Released
from tests.engine.graphs import fetch, graph, node, put
from tests.engine.http_server import Answer, serving
from tests.engine.runner.host import Host, ended


async def hang(request):
    await asyncio.Event().wait()
    return Answer()


async def test_cancel_stops_what_is_in_flight_and_marks_every_open_step(egress):
    async with serving(hang) as server:
        definition = graph(
            put("a"),
            fetch("b", server.url),
            node("ask", "human.approval", {"message": "?"}),
            put("c"),
            "a>b",
            "a>ask",
            "b>c",
        )
        host = Host(definition, egress=egress)
        runner, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        runner.cancel()
        end = ended(await task)
        await server.disconnected.wait()
    assert end.status == "cancelled"
    assert host.statuses == {"a": "completed", "b": "cancelled", "ask": "cancelled", "c": "skipped"}
    assert host.events()[-1]["type"] == "execution.cancelled"


async def test_a_parked_execution_is_cancelled_by_the_next_worker():
    host = Host(graph(node("ask", "human.approval", {"message": "?"}), put("b"), "ask:approved>b"))
    assert isinstance(await host.run(), Parked)
    runner = host.runner()
    runner.cancel()
    assert ended(await runner.run()).status == "cancelled"
    assert host.statuses == {"ask": "cancelled", "b": "skipped"}


async def test_cancel_before_anything_has_begun():
    host = Host(graph(put("a")))
    runner = host.runner()
    runner.cancel()
    assert ended(await runner.run()).status == "cancelled"
    assert host.statuses == {"a": "skipped"}


async def test_release_lets_a_step_finish_and_begins_no_other(egress):
    let_go = asyncio.Event()

    async def answer(request):
        await let_go.wait()
        return Answer(body={})

    async with serving(answer) as server:
        host = Host(graph(fetch("a", server.url), fetch("b", server.url), "a>b"), egress=egress)
        runner, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        runner.release(grace_seconds=5)
        let_go.set()
        assert isinstance(await task, Released)
        assert host.statuses == {"a": "completed"}
        assert len(server.requests) == 1
        assert ended(await host.run()).status == "completed"
        assert len(server.requests) == 2


async def test_release_abandons_what_does_not_finish_in_time_and_the_next_worker_runs_it_again(egress):
    hung = False

    async def answer(request):
        nonlocal hung
        if not hung:
            hung = True
            await asyncio.Event().wait()
        return Answer(body={})

    async with serving(answer) as server:
        host = Host(graph(fetch("a", server.url)), egress=egress)
        runner, task = host.start()
        while not server.requests:
            await asyncio.sleep(0)
        runner.release(grace_seconds=5)
        await host.clock.asleep(5)
        host.clock.advance(5)
        assert isinstance(await task, Released)
        await server.disconnected.wait()
        assert host.statuses == {"a": "running"}
        assert ended(await host.run()).status == "completed"
    assert host.steps["a"].attempt == 2


async def test_release_of_an_execution_with_nothing_left_to_do_ends_it():
    runner = Host(graph()).runner()
    runner.release()
    assert ended(await runner.run()).status == "completed"


async def test_release_while_a_retry_is_awaited_hands_it_on(egress):
    async with serving(lambda request: Answer(500 if len(server.requests) == 1 else 200, {})) as server:
        host = Host(graph(fetch("a", server.url)), egress=egress)
        runner, task = host.start()
        await host.clock.asleep(2)
        runner.release()
        assert isinstance(await task, Released)
        host.clock.advance(2)
        assert ended(await host.run()).status == "completed"
