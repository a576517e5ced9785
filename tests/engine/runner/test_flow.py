import asyncio
import itertools

import pytest

from engine import Runner, TriggerInput
from engine.testing import MemoryJournal, NoEgress, memory_ports, run_definition
from tests.engine.graphs import edge, fails, fetch, graph, node, put, write
from tests.engine.http_server import Answer, Request, serving


async def statuses(definition, data=None, **options):
    options.setdefault("egress", NoEgress())
    result = await run_definition(definition, data, **options)
    return result, {step.node_id: step.status for step in result.steps}


async def test_a_chain_hands_values_on_with_their_types():
    definition = graph(
        node("start", "trigger.manual"),
        put("a", {"count": "{{ trigger.data.count }}", "list": ["{{ trigger.data.count }}", 2]}),
        write("b", "{{ node_a.output.count + 1 }} of {{ node_a.output.list }}"),
        "start>a",
        "a>b",
    )
    result, found = await statuses(definition, {"count": 4})
    assert result.status == "completed"
    assert result.output == {"text": "5 of [4, 2]"}
    assert found == {"start": "completed", "a": "completed", "b": "completed"}
    assert [step.order for step in result.steps] == [1, 2, 3]


async def test_without_a_trigger_every_root_begins():
    result, _ = await statuses(graph(put("a"), put("b")))
    assert result.output == {"a": {"at": "a"}, "b": {"at": "b"}}


async def test_an_empty_definition_completes():
    result, found = await statuses(graph())
    assert (result.status, result.output, found) == ("completed", None, {})


async def test_only_the_trigger_that_fired_goes_on():
    definition = graph(
        node("by_hand", "trigger.manual"),
        node("hook", "trigger.webhook"),
        put("a"),
        put("b"),
        "by_hand>a",
        "hook>b",
    )
    _, by_hand = await statuses(definition)
    assert by_hand == {"by_hand": "completed", "hook": "skipped", "a": "completed", "b": "skipped"}
    _, hook = await statuses(definition, triggered_by="webhook")
    assert hook == {"by_hand": "skipped", "hook": "completed", "a": "skipped", "b": "completed"}


async def test_the_host_may_name_the_trigger():
    definition = graph(
        node("a", "trigger.manual"), node("b", "trigger.manual"), put("x"), put("y"), "a>x", "b>y"
    )
    for named, expected in (("b", "completed"), ("a", "skipped"), ("x", None)):
        journal = MemoryJournal()
        trigger = TriggerInput(node_id=named)
        await Runner(definition, memory_ports(journal), execution_id="e", trigger=trigger).run()
        found = {step.node_id: step.status for step in journal.steps.values()}
        if expected is None:
            assert journal.end.error["message"] == "There is no trigger node 'x'"
        else:
            assert found["y"] == expected


async def test_a_call_falls_back_to_any_trigger_that_is_not_disabled():
    definition = graph(
        node("off", "trigger.manual", disabled=True), node("hook", "trigger.webhook"), put("a"), "hook>a"
    )
    _, found = await statuses(definition, triggered_by="api")
    assert found["a"] == "completed"
    result, _ = await statuses(graph(node("off", "trigger.manual", disabled=True)))
    assert result.error["code"] == "INVALID_DEFINITION"


async def test_what_no_live_way_leads_to_is_skipped_all_the_way_down():
    definition = graph(
        node("which", "logic.if_else", {"condition": "trigger.data.big"}),
        put("yes"),
        put("no"),
        put("after_no"),
        "which:true>yes",
        "which:false>no",
        "no>after_no",
    )
    result, found = await statuses(definition, {"big": True})
    assert found == {"which": "completed", "yes": "completed", "no": "skipped", "after_no": "skipped"}
    assert result.output == {"at": "yes"}


async def test_a_live_handle_without_an_edge_just_ends_that_path():
    definition = graph(node("which", "logic.if_else", {"condition": "false"}), put("yes"), "which:true>yes")
    result, found = await statuses(definition)
    assert found["yes"] == "skipped"
    assert (result.status, result.output) == ("completed", {"branch": "false"})


async def test_a_node_waits_for_all_ways_in_and_needs_one_to_be_live():
    definition = graph(
        node("which", "logic.switch", {"value": "b", "cases": ["a", "b"]}),
        put("a"),
        put("b"),
        put("both"),
        put("neither"),
        "which:a>a",
        "which:b>b",
        "a>both",
        "b>both",
        "a>neither",
    )
    _, found = await statuses(definition)
    assert found == {
        "which": "completed",
        "a": "skipped",
        "b": "completed",
        "both": "completed",
        "neither": "skipped",
    }


async def test_the_condition_of_an_edge_guards_it():
    definition = graph(
        put("a", {"n": 5}),
        put("small"),
        put("large"),
        edge("a>small", condition="node_a.output.n < 3"),
        edge("a>large", condition="{{ node_a.output.n >= 3 }}"),
    )
    _, found = await statuses(definition)
    assert found == {"a": "completed", "small": "skipped", "large": "completed"}


async def test_a_broken_condition_of_an_edge_fails_the_execution_naming_it():
    definition = graph(put("a"), put("b"), edge("a>b", condition="node_a.output.nope > 3"))
    result, found = await statuses(definition)
    assert found == {"a": "completed", "b": "skipped"}
    assert result.error["code"] == "MISSING_PATH"
    assert result.error["node_id"] == "a"
    assert result.error["details"]["edge_id"] == "a>b"


async def test_merge_gathers_the_outputs_of_its_live_ways():
    definition = graph(
        node("which", "logic.if_else", {"condition": "true"}),
        put("a"),
        put("b"),
        put("c"),
        node("all", "logic.merge"),
        "which:true>a",
        "which:true>b",
        "which:false>c",
        "a>all",
        "b>all",
        "c>all",
    )
    result, _ = await statuses(definition)
    assert result.output == {"inputs": {"a": {"at": "a"}, "b": {"at": "b"}}}


async def test_merge_any_goes_on_at_the_first_way_and_ignores_the_others(egress):
    let_go = asyncio.Event()

    async def answer(request: Request) -> Answer:
        if request.path == "/slow":
            await let_go.wait()
        else:
            let_go.set()
        return Answer(body=request.path)

    async with serving(answer) as server:
        definition = graph(
            put("start"),
            fetch("slow", f"{server.url}/slow"),
            put("quick"),
            node("first", "logic.merge", {"mode": "any"}),
            fetch("after", f"{server.url}/after"),
            "start>slow",
            "start>quick",
            "slow>first",
            "quick>first",
            "first>after",
        )
        result, found = await statuses(definition, egress=egress)
    # The slow way was only let go by what comes behind the merge.
    assert set(found.values()) == {"completed"}
    merged = next(step for step in result.steps if step.node_id == "first")
    assert merged.output == {"inputs": {"quick": {"at": "quick"}}}


async def test_merge_is_skipped_when_no_way_is_live():
    for mode in ("all", "any"):
        definition = graph(
            node("which", "logic.if_else", {"condition": "false"}),
            put("a"),
            put("b"),
            node("m", "logic.merge", {"mode": mode}),
            "which:true>a",
            "which:true>b",
            "a>m",
            "b>m",
        )
        _, found = await statuses(definition)
        assert found["m"] == "skipped"


async def test_branches_run_at_the_same_time(egress):
    barrier = asyncio.Barrier(3)

    async def meet(request: Request) -> Answer:
        await barrier.wait()
        return Answer(body={})

    async with serving(meet) as server:
        definition = graph(
            put("start"),
            *(fetch(each, server.url) for each in ("a", "b", "c")),
            node("end", "logic.merge"),
            *(f"start>{each}" for each in ("a", "b", "c")),
            *(f"{each}>end" for each in ("a", "b", "c")),
        )
        result, _ = await statuses(definition, egress=egress)
    assert result.status == "completed"


class TestFailure:
    async def test_fails_the_execution_and_skips_what_has_not_begun(self):
        result, found = await statuses(graph(fails("a"), put("b"), "a>b"), {})
        assert result.status == "failed"
        assert result.output is None
        assert found == {"a": "failed", "b": "skipped"}
        assert result.error["code"] == "MISSING_PATH"
        assert result.error["node_id"] == "a"
        assert "'a'" in result.error["message"]
        assert "'template'" in result.error["message"]
        assert "trigger.data.nothing" in result.error["message"]

    async def test_cancels_what_is_in_flight(self, egress):
        arrived, never = asyncio.Event(), asyncio.Event()

        async def hang(request: Request) -> Answer:
            if request.path == "/hang":
                arrived.set()
                await never.wait()
            await arrived.wait()
            return Answer(404)

        async with serving(hang) as server:
            definition = graph(
                fetch("slow", f"{server.url}/hang"), fetch("bad", f"{server.url}/bad"), put("c"), "slow>c"
            )
            result, found = await statuses(definition, egress=egress)
            await server.disconnected.wait()
        assert found == {"slow": "cancelled", "bad": "failed", "c": "skipped"}
        assert result.error["node_id"] == "bad"
        assert result.error["details"]["status"] == 404

    async def test_continue_goes_on_along_out_with_the_error(self):
        definition = graph(
            fails("a", on_error="continue"), write("b", "{{ node_a.output.error.code }}"), "a>b"
        )
        result, found = await statuses(definition, {})
        assert found == {"a": "failed", "b": "completed"}
        assert result.output == {"text": "MISSING_PATH"}

    async def test_branch_goes_on_along_error_and_not_along_out(self):
        definition = graph(
            fails("a", on_error="branch"),
            put("fine"),
            write("sorry", "{{ node_a.output.error.message }}"),
            "a>fine",
            "a:error>sorry",
        )
        result, found = await statuses(definition, {})
        assert found == {"a": "failed", "fine": "skipped", "sorry": "completed"}
        assert "nothing" in result.output["text"]

    async def test_a_node_that_does_not_fail_leaves_its_error_handle_dead(self):
        definition = graph(put("a", on_error="branch"), put("fine"), put("sorry"), "a>fine", "a:error>sorry")
        _, found = await statuses(definition)
        assert found == {"a": "completed", "fine": "completed", "sorry": "skipped"}


class TestDisabled:
    async def test_is_passed_through_with_the_output_before_it(self):
        definition = graph(
            put("a"),
            node("off", "action.set", {"values": "nonsense"}, disabled=True),
            write("b", "{{ node_off.output.at }}"),
            "a>off",
            "off>b",
        )
        result, found = await statuses(definition)
        assert found == {"a": "completed", "off": "skipped", "b": "completed"}
        assert result.output == {"text": "a"}

    async def test_behind_a_dead_way_it_is_dead_too(self):
        definition = graph(
            node("which", "logic.if_else", {"condition": "false"}),
            put("off", disabled=True),
            put("b"),
            "which:true>off",
            "off>b",
        )
        _, found = await statuses(definition)
        assert found["b"] == "skipped"

    async def test_at_the_end_the_output_is_that_of_the_node_before(self):
        result, _ = await statuses(graph(put("a"), put("off", disabled=True), "a>off"))
        assert result.output == {"at": "a"}


async def test_several_ends_give_an_object_by_node():
    result, _ = await statuses(graph(put("a"), put("b"), put("c"), "a>b", "a>c"))
    assert result.output == {"b": {"at": "b"}, "c": {"at": "c"}}


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (graph(put("a"), put("b"), "a>b", "b>a"), "cycle"),
        (graph(put("a"), "a>nowhere"), "does not exist"),
        (graph(node("a", "action.teleport")), "action.teleport"),
    ],
)
async def test_a_graph_that_cannot_be_run_fails_saying_why(definition, said):
    result, _ = await statuses(definition)
    assert result.status == "failed"
    assert said in result.error["message"]


async def test_an_unexpected_error_in_a_node_is_an_error_of_the_step(monkeypatch, caplog):
    from engine.nodes.registry import kind

    async def explode(config, context):
        raise RuntimeError("boom")

    monkeypatch.setattr(kind("action", "set"), "run", explode)
    result, found = await statuses(graph(put("a")))
    assert found == {"a": "failed"}
    assert result.error["code"] == "INTERNAL_ERROR"
    assert "boom" in result.error["message"]


async def test_two_hundred_nodes_in_a_row_and_side_by_side():
    names = [f"n{number}" for number in range(200)]
    row = graph(*(put(name) for name in names), *(f"{a}>{b}" for a, b in itertools.pairwise(names)))
    result, found = await statuses(row)
    assert result.output == {"at": "n199"}
    assert set(found.values()) == {"completed"}
    fan = graph(put("first"), *(put(name) for name in names), *(f"first>{name}" for name in names))
    result, _ = await statuses(fan)
    assert len(result.output) == 200
