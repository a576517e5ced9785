"""Loops: what they give, what their bodies see, and that they go on where they stood."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from engine import Definition, DryRun, Parked, RunSettings
from engine.testing import FakeClock, NoEgress, run_definition
from tests.engine.graphs import edge, fails, fetch, graph, node, put, write
from tests.engine.http_server import Answer, Request, serving
from tests.engine.runner.host import ExplodingJournal, Host, ended
from tests.engine.runner.test_recovery import to_the_end


def loop(node_id: str = "l", items: Any = "{{ trigger.data }}", **more: Any) -> dict[str, Any]:
    config = {key: more.pop(key) for key in ("max_concurrency",) if key in more}
    return node(node_id, "logic.loop", {"items": items, **config}, **more)


def while_(condition: str, most: int = 10, node_id: str = "l") -> dict[str, Any]:
    config = {"mode": "while", "condition": condition, "max_iterations": most}
    return node(node_id, "logic.loop", config)


def simple(**more: Any) -> Definition:
    return graph(loop(**more), write("a", "{{ item }}"), put("after"), "l:each>a", "a>l", "l:done>after")


async def run(definition: Definition, data: Any = None, **options: Any):
    options.setdefault("egress", NoEgress())
    return await run_definition(definition, data, **options)


def by_iteration(steps, node_id: str, name: str = "output") -> dict[tuple[int, ...], Any]:
    return {step.iteration: getattr(step, name) for step in steps if step.node_id == node_id}


def output_of(result, node_id: str) -> Any:
    (step,) = [step for step in result.steps if step.node_id == node_id and step.iteration == ()]
    return step.output


async def test_the_body_runs_once_for_each_item_and_the_results_are_gathered():
    result = await run(simple(), ["x", "y", "z"])
    assert (result.status, result.output) == ("completed", {"at": "after"})
    assert output_of(result, "l") == {
        "items": ["x", "y", "z"],
        "count": 3,
        "results": [{"text": "x"}, {"text": "y"}, {"text": "z"}],
    }
    assert by_iteration(result.steps, "a") == {(0,): {"text": "x"}, (1,): {"text": "y"}, (2,): {"text": "z"}}


async def test_a_body_sees_its_item_its_number_and_the_nodes_around_the_loop():
    definition = graph(
        put("before", {"n": 7}),
        loop(),
        put("a", {"item": "{{ item.k }}", "at": ["{{ loop.index }}", "{{ loop.index0 }}"]}),
        put("b", {"sum": "{{ node_a.output.item + node_before.output.n }}", "at": "{{ node_a.output.at }}"}),
        "before>l",
        "l:each>a",
        "a>b",
        "b>l",
    )
    result = await run(definition, [{"k": 1}, {"k": 2}])
    assert result.output["results"] == [{"sum": 8, "at": [1, 0]}, {"sum": 9, "at": [2, 1]}]


async def test_loops_nest_and_the_inner_one_shadows_the_outer():
    definition = graph(
        loop("outer", [["a", "b"], [], ["c"]]),
        write("name", "{{ loop.index }}"),
        loop("inner", "{{ item }}"),
        write("body", "{{ node_name.output.text }}{{ item }}{{ loop.index0 }}"),
        "outer:each>name",
        "name>inner",
        "inner:each>body",
        "body>inner",
        "inner:done>outer",
    )
    result = await run(definition)
    texts = [[each["text"] for each in row["results"]] for row in result.output["results"]]
    assert texts == [["1a0", "1b1"], [], ["3c0"]]
    assert by_iteration(result.steps, "body", "status") == {
        (0, 0): "completed",
        (0, 1): "completed",
        (1,): "skipped",
        (2, 0): "completed",
    }


async def test_without_items_the_body_is_skipped_once():
    result = await run(simple(), [])
    assert output_of(result, "l") == {"items": [], "count": 0, "results": []}
    assert by_iteration(result.steps, "a", "status") == {(): "skipped"}
    assert output_of(result, "after") == {"at": "after"}


async def test_a_loop_that_is_skipped_skips_its_body_and_what_follows():
    definition = graph(
        node("if", "logic.if_else", {"condition": "false"}),
        loop("outer", [1]),
        loop("l", [1]),
        put("a"),
        put("after"),
        "if:true>outer",
        "outer:each>l",
        "l:each>a",
        "a>l",
        "l:done>outer",
        "outer:done>after",
    )
    result = await run(definition)
    found = {step.node_id: (step.status, step.iteration) for step in result.steps if step.node_id != "if"}
    assert found == dict.fromkeys(("outer", "l", "a", "after"), ("skipped", ()))


async def test_a_path_that_does_not_come_back_leaves_null():
    definition = graph(
        loop(),
        node("odd", "logic.if_else", {"condition": "item % 2"}),
        put("yes", {"n": "{{ item }}"}),
        put("no"),
        "l:each>odd",
        "odd:true>yes",
        "odd:false>no",
        "yes>l",
    )
    result = await run(definition, [1, 2, 3])
    assert result.output["results"] == [{"n": 1}, None, {"n": 3}]
    assert by_iteration(result.steps, "no", "status") == {(0,): "skipped", (1,): "completed", (2,): "skipped"}


async def test_each_of_two_ways_may_lead_back_and_both_together_are_named():
    definition = graph(
        loop(),
        node("odd", "logic.if_else", {"condition": "item % 2"}),
        put("yes", {"odd": "{{ item }}"}),
        put("no", {"even": "{{ item }}"}),
        "l:each>odd",
        "odd:true>yes",
        "odd:false>no",
        "yes>l",
        "no>l",
    )
    assert (await run(definition, [1, 2])).output["results"] == [{"odd": 1}, {"even": 2}]
    both = graph(loop(), put("x"), put("y"), "l:each>x", "l:each>y", "x>l", "y>l")
    assert (await run(both, [0])).output["results"] == [{"x": {"at": "x"}, "y": {"at": "y"}}]


async def test_edges_into_and_out_of_the_body_may_have_conditions():
    definition = graph(
        loop(),
        put("a", {"n": "{{ item }}"}),
        edge("l:each>a", condition="item > 1"),
        edge("a>l", condition="item < 3"),
    )
    result = await run(definition, [1, 2, 3])
    assert result.output["results"] == [None, {"n": 2}, None]
    assert by_iteration(result.steps, "a", "status") == {
        (0,): "skipped",
        (1,): "completed",
        (2,): "completed",
    }


async def test_merges_and_switches_work_within_one_round():
    definition = graph(
        loop(),
        node("which", "logic.switch", {"value": "{{ item }}", "cases": ["a", "b"]}),
        put("one", {"is": "a"}),
        put("two", {"is": "b"}),
        put("always", {"n": "{{ loop.index }}"}),
        node("all", "logic.merge"),
        node("any", "logic.merge", {"mode": "any"}),
        "l:each>which",
        "l:each>always",
        "which:a>one",
        "which:b>two",
        "one>all",
        "two>all",
        "always>all",
        "all>any",
        "always>any",
        "all>l",
    )
    result = await run(definition, ["a", "b", "c"])
    assert [each["inputs"] for each in result.output["results"]] == [
        {"one": {"is": "a"}, "always": {"n": 1}},
        {"two": {"is": "b"}, "always": {"n": 2}},
        {"always": {"n": 3}},
    ]
    assert set(by_iteration(result.steps, "any", "status").values()) == {"completed"}


async def test_a_disabled_node_in_a_body_hands_the_item_on():
    definition = graph(loop(), put("off", disabled=True), "l:each>off", "off>l")
    result = await run(definition, ["x", "y"])
    assert result.output["results"] == ["x", "y"]


async def test_a_disabled_loop_is_passed_through():
    definition = graph(
        put("before"),
        loop(disabled=True),
        put("a"),
        put("after"),
        "before>l",
        "l:each>a",
        "a>l",
        "l:done>after",
    )
    result = await run(definition, [1])
    assert {step.node_id: step.status for step in result.steps} == {
        "before": "completed",
        "l": "skipped",
        "a": "skipped",
        "after": "completed",
    }


@pytest.mark.parametrize("items", [None, 5, "text", {"a": 1}])
async def test_items_must_be_a_list(items):
    result = await run(simple(), items)
    assert (result.status, result.error["code"], result.error["node_id"]) == ("failed", "INVALID_CONFIG", "l")
    assert "items" in result.error["message"]


# Failures


async def test_a_failure_in_the_body_fails_the_execution():
    definition = graph(
        loop(),
        put("a", {"n": "{{ item.n }}"}),
        put("b"),
        put("after"),
        "l:each>a",
        "a>b",
        "b>l",
        "l:done>after",
    )
    result = await run(definition, [{"n": 1}, {}, {"n": 3}])
    assert (result.status, result.error["code"], result.error["node_id"]) == ("failed", "MISSING_PATH", "a")
    assert {(step.node_id, step.iteration): step.status for step in result.steps} == {
        ("l", ()): "cancelled",
        ("a", (0,)): "completed",
        ("b", (0,)): "completed",
        ("a", (1,)): "failed",
        ("b", (1,)): "skipped",
        ("after", ()): "skipped",
    }


@pytest.mark.parametrize(("on_error", "way"), [("continue", "a>l"), ("branch", "a:error>l")])
async def test_a_failure_that_is_caught_in_the_body_is_the_result(on_error, way):
    definition = graph(loop(), put("a", {"n": "{{ item.n }}"}, on_error=on_error), "l:each>a", way)
    result = await run(definition, [{"n": 1}, {}])
    assert result.status == "completed"
    kept, failed = result.output["results"]
    assert kept == ({"n": 1} if on_error == "continue" else None)
    assert failed["error"]["code"] == "MISSING_PATH"


@pytest.mark.parametrize(
    ("on_error", "way"), [("continue", "l:done>b"), ("continue", "l>b"), ("branch", "l:error>b")]
)
async def test_a_loop_that_fails_itself_goes_on_as_it_says(on_error, way):
    definition = graph(
        loop(on_error=on_error),
        put("a"),
        put("b", {"code": "{{ node_l.output.error.code }}"}),
        "l:each>a",
        "a>l",
        way,
    )
    result = await run(definition, "no list")
    assert (result.status, result.output) == ("completed", {"code": "INVALID_CONFIG"})
    assert by_iteration(result.steps, "a", "status") == {(): "skipped"}


async def test_steps_in_a_body_are_retried_under_one_key_each(egress):
    seen: Counter[str] = Counter()

    def answer(request: Request) -> Answer:
        seen[request.headers["idempotency-key"]] += 1
        return Answer(503 if seen[request.headers["idempotency-key"]] == 1 else 200, request.path)

    async with serving(answer) as server:
        definition = graph(
            loop(max_concurrency=2),
            fetch("send", server.url + "/{{ item }}", retry={"backoff_base": 0.001, "backoff_max": 0.001}),
            "l:each>send",
            "send>l",
        )
        result = await run(definition, ["a", "b", "c"], egress=egress)
    assert [each["body"] for each in result.output["results"]] == ["/a", "/b", "/c"]
    keys = {key.split(":", 1)[1]: count for key, count in seen.items()}
    assert keys == {"send:0": 2, "send:1": 2, "send:2": 2}


# While


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("node_a.output.n < 3", 3),
        ("{{ node_a.output.n | default(0) < 3 }}", 3),
        ("loop.index <= 2", 2),
        ("loop.index0 < trigger.data", 4),
        ("false", 0),
        ("true", 10),
    ],
)
async def test_a_while_loop_asks_before_each_round(condition, count):
    definition = graph(while_(condition), put("a", {"n": "{{ loop.index }}"}), "l:each>a", "a>l")
    result = await run(definition, 4)
    assert result.output == {"items": [], "count": count, "results": [{"n": n + 1} for n in range(count)]}


async def test_a_round_of_a_while_loop_sees_only_itself():
    """What the round before came to is for the condition alone."""
    definition = graph(
        while_("true", 3), put("a", {"n": "{{ node_a.output.n | default('none') }}"}), "l:each>a", "a>l"
    )
    assert (await run(definition)).output["results"] == [{"n": "none"}] * 3


@pytest.mark.parametrize("condition", ["node_b.output.n < 3", "trigger.data.nothing", "loop.index + 'x'"])
async def test_a_condition_that_does_not_work_fails_the_loop(condition):
    """A node of the body that the last round skipped has no output; before the first round it is excused."""
    definition = graph(
        while_(condition),
        put("a"),
        node("never", "logic.if_else", {"condition": "false"}),
        put("b", {"n": 1}),
        "l:each>a",
        "a>never",
        "never:true>b",
        "a>l",
    )
    result = await run(definition)
    assert (result.status, result.error["node_id"]) == ("failed", "l")
    assert "field 'condition'" in result.error["message"]


async def test_a_while_loop_within_a_loop_keeps_the_outer_item():
    definition = graph(
        loop("outer"),
        while_("loop.index <= item", node_id="inner"),
        write("a", "{{ item }}.{{ loop.index }}"),
        "outer:each>inner",
        "inner:each>a",
        "a>inner",
        "inner:done>outer",
    )
    result = await run(definition, [0, 1, 2])
    texts = [[each["text"] for each in row["results"]] for row in result.output["results"]]
    assert texts == [[], ["1.1"], ["2.1", "2.2"]]


# Several at once


async def test_so_many_items_are_worked_on_at_once_and_the_results_keep_their_order(egress):
    running, most = 0, 0
    finish = {name: asyncio.Event() for name in "abcdef"}
    arrived = asyncio.Condition()

    async def answer(request: Request) -> Answer:
        nonlocal running, most
        async with arrived:
            running += 1
            most = max(most, running)
            arrived.notify_all()
        await finish[request.path[1:]].wait()
        running -= 1
        return Answer(body=request.path[1:])

    async with serving(answer) as server:
        definition = graph(
            loop(max_concurrency=3), fetch("send", server.url + "/{{ item }}"), "l:each>send", "send>l"
        )
        task = asyncio.create_task(run(definition, list("abcdef"), egress=egress))
        async with arrived:
            await arrived.wait_for(lambda: running == 3)
        assert {request.path for request in server.requests} == {"/a", "/b", "/c"}
        for done, name in enumerate("cbafed", 1):
            finish[name].set()
            async with arrived:
                await arrived.wait_for(lambda done=done: len(server.requests) == min(6, 3 + done))
        result = await task
    assert [each["body"] for each in result.output["results"]] == list("abcdef")
    assert most == 3


async def test_one_item_after_another_unless_told_otherwise():
    result = await run(graph(loop(), put("a"), put("b"), "l:each>a", "a>b", "b>l"), [1, 2])
    order = [
        (event["node_id"], event["iteration"]) for event in result.events if event["type"] == "step.started"
    ]
    assert order == [("l", []), ("a", [0]), ("b", [0]), ("a", [1]), ("b", [1])]


async def test_other_branches_do_not_wait_for_a_long_loop(egress):
    """A request beside ten thousand steps that only compute begins among them, not after."""
    seen = asyncio.Event()

    def answer(request: Request) -> Answer:
        seen.set()
        return Answer(body={})

    def event(each: dict[str, Any]) -> None:
        if each["type"] == "step.started" and each["node_id"] == "a":
            begun.append(seen.is_set())

    begun: list[bool] = []
    async with serving(answer) as server:
        definition = graph(loop(), put("a"), fetch("beside", server.url), "l:each>a", "a>l")
        result = await run(definition, [0] * 10_000, egress=egress, on_event=event)
    assert result.status == "completed"
    assert begun.index(True) < 9_000


# Waiting, stopping, going on


def asking(**more: Any) -> Definition:
    return graph(
        loop(**more),
        node("who", "logic.if_else", {"condition": "item == 'ask'"}),
        node("ok", "human.approval", {"message": "{{ item }}?"}),
        put("a", {"done": "{{ item }}"}),
        "l:each>who",
        "who:true>ok",
        "ok:approved>a",
        "who:false>a",
        "a>l",
    )


async def test_an_approval_in_one_round_parks_when_the_others_are_through():
    host = Host(asking(max_concurrency=2), ["x", "ask", "y", "z"])
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "approval"
    assert by_iteration(host.journal.steps.values(), "a", "status") == {
        (0,): "completed",
        (2,): "completed",
        (3,): "completed",
    }
    (waiting,) = [step for step in host.journal.steps.values() if step.status == "waiting_approval"]
    assert waiting.iteration == (1,)
    host.journal.signal(waiting.step_id, {"kind": "approval", "decision": "approved"})
    end = ended(await host.run())
    assert end.output["results"] == [{"done": "x"}, {"done": "ask"}, {"done": "y"}, {"done": "z"}]
    started = Counter((event["node_id"], tuple(event["iteration"])) for event in host.events("step.started"))
    assert set(started.values()) == {1}


async def test_one_after_another_an_approval_holds_the_next_items_back():
    host = Host(asking(), ["x", "ask", "y"])
    assert isinstance(await host.run(), Parked)
    assert set(by_iteration(host.journal.steps.values(), "who")) == {(0,), (1,)}


async def test_two_rounds_may_wait_at_once():
    host = Host(asking(max_concurrency=5), ["ask", "ask", "x"])
    assert isinstance(await host.run(), Parked)
    waiting = {
        step.iteration: step for step in host.journal.steps.values() if step.status == "waiting_approval"
    }
    assert set(waiting) == {(0,), (1,)}
    host.journal.signal(waiting[1,].step_id, {"kind": "approval", "decision": "approved"})
    assert isinstance(await host.run(), Parked)
    host.journal.signal(waiting[0,].step_id, {"kind": "approval", "decision": "rejected"})
    assert ended(await host.run()).output["results"] == [None, {"done": "ask"}, {"done": "x"}]


async def test_a_delay_in_a_body_gives_the_worker_back_each_time():
    definition = graph(loop(), node("nap", "logic.delay", {"seconds": 60}), "l:each>nap", "nap>l")
    host = Host(definition, [1, 2, 3])
    assert len((await to_the_end(host))["results"]) == 3
    assert len(host.events("execution.waiting")) == 3


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 2), (3, 3)])
async def test_no_round_begins_once_a_loop_has_taken_longer_than_it_may(at_once, rounds):
    definition = graph(
        loop(max_concurrency=at_once, timeout_seconds=100),
        node("nap", "logic.delay", {"seconds": 60 if at_once == 1 else 120}),
        put("after"),
        "l:each>nap",
        "nap>l",
        "l:done>after",
    )
    host = Host(definition, [1, 2, 3] if at_once == 1 else [1, 2, 3, 4])
    outcome = await host.run()
    while isinstance(outcome, Parked):
        host.clock.advance(60)
        outcome = await host.run()
    end = ended(outcome)
    assert (end.status, end.error["code"], end.error["node_id"]) == ("failed", "LOOP_TIMEOUT", "l")
    assert end.error["details"] == {"timeout_seconds": 100, "rounds": rounds}
    naps = by_iteration(host.journal.steps.values(), "nap", "status")
    assert naps == {(n,): "completed" for n in range(rounds)}
    assert host.statuses["after"] == "skipped"


async def test_what_a_loop_does_when_it_is_too_slow_is_told_by_its_node():
    definition = graph(
        loop(timeout_seconds=100, on_error="branch"),
        node("nap", "logic.delay", {"seconds": 60}),
        put("late", {"code": "{{ node_l.output.error.code }}"}),
        "l:each>nap",
        "nap>l",
        "l:error>late",
    )
    assert await to_the_end(Host(definition, [1, 2, 3])) == {"code": "LOOP_TIMEOUT"}
    assert len((await to_the_end(Host(definition, [1])))["results"]) == 1


async def test_cancelling_marks_what_is_open_in_the_rounds(egress):
    arrived = asyncio.Event()

    async def answer(request: Request) -> Answer:
        if request.path == "/1":
            arrived.set()
            await asyncio.Event().wait()
        return Answer(body={})

    async with serving(answer) as server:
        definition = graph(
            loop(),
            fetch("send", server.url + "/{{ item }}"),
            put("b"),
            put("after"),
            "l:each>send",
            "send>b",
            "b>l",
            "l:done>after",
        )
        host = Host(definition, [0, 1, 2], egress=egress)
        runner, task = host.start()
        await arrived.wait()
        runner.cancel()
        assert ended(await task).status == "cancelled"
    assert {(step.node_id, step.iteration): step.status for step in host.journal.steps.values()} == {
        ("l", ()): "cancelled",
        ("send", (0,)): "completed",
        ("b", (0,)): "completed",
        ("send", (1,)): "cancelled",
        ("b", (1,)): "skipped",
        ("after", ()): "skipped",
    }


async def test_an_execution_that_failed_in_a_round_goes_on_there(egress):
    broken = True
    async with serving(lambda request: Answer(400 if broken and request.path == "/1" else 200, {})) as server:
        definition = graph(loop(), fetch("send", server.url + "/{{ item }}"), "l:each>send", "send>l")
        host = Host(definition, [0, 1, 2], egress=egress)
        assert ended(await host.run()).status == "failed"
        broken, host.journal.end = False, None
        assert ended(await host.run()).status == "completed"
        assert [request.path for request in server.requests] == ["/0", "/1", "/1", "/2"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_every_write_each_round_runs_once(egress, after):
    number, exploded = 0, True
    while exploded:
        number += 1
        seen: Counter[tuple[str, str]] = Counter()

        def answer(request: Request, seen=seen) -> Answer:
            seen[request.path, request.headers["idempotency-key"]] += 1
            return Answer(body=request.path)

        async with serving(answer) as server:
            definition = graph(
                loop("outer"),
                fetch("first", server.url + "/{{ item }}"),
                loop("inner", [1, 2], max_concurrency=2),
                fetch("second", server.url + "/{{ node_first.output.body }}{{ item }}"),
                while_("node_n.output.n < 2", node_id="again"),
                put("n", {"n": "{{ loop.index }}"}),
                "outer:each>first",
                "first>inner",
                "inner:each>second",
                "second>inner",
                "inner:done>again",
                "again:each>n",
                "n>again",
                "again:done>outer",
            )
            clock = FakeClock()
            journal = ExplodingJournal(clock=clock, at=number, after=after)
            host = Host(definition, ["a", "b"], clock=clock, journal=journal, egress=egress)
            output = await to_the_end(host)
        exploded = journal.at is None
        assert [row["count"] for row in output["results"]] == [2, 2]
        assert {path for path, _ in seen} == {"/a", "/b", "//a1", "//a2", "//b1", "//b2"}
        assert len(seen) == 6
        assert sum(seen.values()) <= 6 + (2 if exploded else 0)
        states = journal.steps.values()
        assert len({(step.node_id, step.iteration) for step in states}) == len(states) == 1 + 2 * 7
        assert {step.status for step in states} == {"completed"}
    assert number > 6


async def test_the_items_stay_those_that_the_loop_began_with(egress):
    """The journal holds them: whatever else may have changed, the rounds are the same ones."""
    host = Host(asking(), ["ask", "x"])
    assert isinstance(await host.run(), Parked)
    host.data = ["other"]
    (waiting,) = [step for step in host.journal.steps.values() if step.status == "waiting_approval"]
    host.journal.signal(waiting.step_id, {"kind": "approval", "decision": "approved"})
    assert ended(await host.run()).output["items"] == ["ask", "x"]


# Limits


async def test_every_step_in_every_round_counts():
    host = Host(simple(), [1, 2, 3], settings=RunSettings(max_steps=3))
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "budget"
    steps = host.journal.steps.values()
    assert list(by_iteration(steps, "a", "status").values()) == ["completed", "completed", "waiting"]
    host.settings = RunSettings(max_steps=5)
    assert ended(await host.run()).status == "completed"


async def test_steps_of_earlier_workers_count_too():
    host = Host(asking(), ["x", "ask", "y"], settings=RunSettings(max_steps=7))
    assert isinstance(await host.run(), Parked)
    (waiting,) = [step for step in host.journal.steps.values() if step.status == "waiting_approval"]
    host.journal.signal(waiting.step_id, {"kind": "approval", "decision": "approved"})
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert outcome.waiting_for.kind == "budget"
    assert by_iteration(host.journal.steps.values(), "who", "status") == {
        (0,): "completed",
        (1,): "completed",
        (2,): "completed",
    }


async def test_a_loop_over_too_many_items_says_so_and_makes_no_step():
    result = await run(simple(), [0] * 1_000_000)
    assert (result.status, result.error["code"]) == ("failed", "LIMIT_EXCEEDED")
    assert "100000 rounds at most" in result.error["message"]
    assert len(result.steps) == 3
    allowed = RunSettings(max_rounds=2)
    assert (await run(simple(), [1, 2], settings=allowed)).status == "completed"
    assert (await run(simple(), [1, 2, 3], settings=allowed)).error["code"] == "LIMIT_EXCEEDED"


async def test_a_while_loop_may_not_be_set_to_more_rounds_than_allowed():
    definition = graph(while_("false", 500_000), put("a"), "l:each>a", "a>l")
    assert (await run(definition)).error["code"] == "LIMIT_EXCEEDED"


async def test_rounds_that_are_over_are_forgotten():
    """However many items: what is held of the steps are those of the rounds under way."""
    host = Host(
        graph(loop(max_concurrency=3), put("a"), put("b"), "l:each>a", "a>b", "b>l"), list(range(5000))
    )
    runner = host.runner()
    most = 0

    def look(event: dict[str, Any]) -> None:
        nonlocal most
        most = max(most, len(runner._board.open_steps()), len(runner._board._places))

    host.journal.on_event = look
    assert ended(await runner.run()).status == "completed"
    assert most < 20


# Dry runs


async def test_a_pin_stands_in_for_a_loop_and_for_a_node_of_its_body():
    pinned = await run(simple(), [1], dry_run=DryRun(pins={"l": {"results": [1]}}))
    assert {step.node_id: step.status for step in pinned.steps} == {
        "l": "completed",
        "a": "skipped",
        "after": "completed",
    }
    body = await run(simple(), [1, 2], dry_run=DryRun(pins={"a": {"text": "pin"}}))
    assert output_of(body, "l")["results"] == [{"text": "pin"}] * 2


async def test_up_to_a_node_of_the_body_every_item_gets_there():
    definition = graph(loop(), put("a"), put("b"), put("after"), "l:each>a", "a>b", "b>l", "l:done>after")
    result = await run(definition, [1, 2], dry_run=DryRun(until_node="a"))
    assert {(step.node_id, step.iteration) for step in result.steps} == {("l", ()), ("a", (0,)), ("a", (1,))}


async def test_a_node_of_a_body_alone_gets_the_first_pinned_item():
    definition = graph(
        loop("outer"),
        loop("l", "{{ item }}"),
        write("a", "{{ item }}{{ loop.index }}"),
        write("b", "{{ node_a.output.text }}!"),
        "outer:each>l",
        "l:each>a",
        "a>b",
        "b>l",
        "l:done>outer",
    )
    pins = {"outer": {"items": [["x", "y"]]}, "l": {"items": ["x", "y"]}}
    alone = await run(definition, dry_run=DryRun(node="a", pins=pins))
    assert (alone.output, [step.iteration for step in alone.steps]) == ({"text": "x1"}, [(0, 0)])
    onwards = await run(definition, dry_run=DryRun(from_node="a", pins=pins))
    assert onwards.output == {"text": "x1!"}
    unpinned = await run(definition, dry_run=DryRun(node="a"))
    assert unpinned.error["code"] == "MISSING_PATH"


async def test_a_loop_alone_goes_through_its_items_and_does_nothing():
    result = await run(simple(), [1, 2], dry_run=DryRun(node="l"))
    assert result.output == {"items": [1, 2], "count": 2, "results": [None, None]}


async def test_effects_in_a_body_are_only_described():
    definition = graph(
        loop(),
        fetch("send", "https://example.com/{{ item }}"),
        put("b", {"id": "{{ node_send.output.body.id }}"}),
        "l:each>send",
        "send>b",
        "b>l",
    )
    result = await run(definition, [1, 2], dry_run=DryRun())
    assert result.output["results"] == [{"id": None}] * 2
    assert by_iteration(result.steps, "send")[1,]["would"]["url"] == "https://example.com/2"


async def test_a_graph_whose_body_has_another_way_out_is_not_run():
    definition = graph(loop(), put("a"), put("after"), "l:each>a", "a>after", "l:done>after")
    result = await run(definition, [1])
    assert (result.status, result.error["code"]) == ("failed", "INVALID_DEFINITION")


async def test_a_caught_failure_of_one_item_leaves_the_others_alone():
    definition = graph(loop(), fails("a", on_error="branch"), put("b"), "l:each>a", "a:error>b", "b>l")
    assert (await run(definition, [1, 2])).output["results"] == [{"at": "b"}] * 2
