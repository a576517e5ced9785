from datetime import timedelta
from decimal import Decimal

import pytest

from engine import DryRun, Parked, RunSettings
from engine.errors import AgentsUnavailableError, UnknownAgentError
from engine.memory import NoAgents
from engine.ports import AgentCall, CalledRun
from engine.testing import run_definition
from engine.validation import validate
from tests.engine.graphs import graph, node, put, write
from tests.engine.runner.host import Host, ended


class Calls(NoAgents):
    """Notes what is asked for, and answers with the same run."""

    def __init__(self, *answers: CalledRun | Exception) -> None:
        self.answers = list(answers) or [CalledRun("run-1")]
        self.started: list[AgentCall] = []
        self.cancelled: list[str] = []

    async def start(self, call: AgentCall) -> CalledRun:
        self.started.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def cancel(self, execution_id: str) -> None:
        self.cancelled.append(execution_id)


def calling(**config):
    fields = {"agent_id": "a1", **config}
    return graph(
        node("call", "action.run_agent", fields), put("b", {"got": "{{ node_call.output }}"}), "call>b"
    )


def signal(status="completed", **more):
    return {
        "kind": "child",
        "status": status,
        "output": None,
        "error": None,
        "tokens": 0,
        "cost": "0",
        **more,
    }


async def test_it_waits_and_takes_over_what_came():
    calls = Calls()
    host = Host(calling(input={"n": "{{ trigger.data }}"}), 7, agents=calls)
    outcome = await host.run()
    assert isinstance(outcome, Parked)
    assert (outcome.waiting_for.kind, outcome.waiting_for.until) == ("child", None)
    assert outcome.waiting_for.details["execution_id"] == "run-1"
    (call,) = calls.started
    assert (call.agent_id, call.input, call.key, call.waits) == ("a1", {"n": 7}, "execution-1:call:-", True)
    assert host.journal.signal(call.step_id, signal(output={"x": "{{ 7 * 7 }}"}, tokens=12, cost="0.5"))
    assert ended(await host.run()).output["got"] == {
        "execution_id": "run-1",
        "status": "completed",
        "output": {"x": "{{ 7 * 7 }}"},
        "tokens_used": 12,
        "cost": "0.5",
    }
    assert host.journal.totals().cost == 0
    assert host.journal.totals().tokens == 0


async def test_what_the_called_run_cost_counts_for_the_budget():
    twice = graph(
        node("call", "action.run_agent", {"agent_id": "a1"}),
        node("again", "action.run_agent", {"agent_id": "a2"}),
        "call>again",
    )
    calls = Calls()
    host = Host(twice, agents=calls, settings=RunSettings(max_cost=Decimal(1)))
    await host.run()
    host.journal.signal(host.steps["call"].step_id, signal(cost="1.25"))
    for _ in range(2):
        outcome = await host.run()
        assert isinstance(outcome, Parked)
        assert outcome.waiting_for.kind == "budget"
        assert outcome.waiting_for.details["spent"] == "1.25"
    assert [call.agent_id for call in calls.started] == ["a1"]


async def test_the_called_run_may_spend_what_is_left_and_no_more():
    once = node("call", "action.run_agent", {"agent_id": "a1"})
    again = node("again", "action.run_agent", {"agent_id": "a2"})
    apart = node("apart", "action.run_agent", {"agent_id": "a3", "wait": False})
    calls = Calls()
    host = Host(
        graph(once, again, apart, "call>again", "again>apart"),
        agents=calls,
        settings=RunSettings(max_cost=Decimal(1)),
    )
    for name, cost in (("call", "0.25"), ("again", "0.5")):
        await host.run()
        host.journal.signal(host.steps[name].step_id, signal(cost=cost))
    ended(await host.run())
    assert [call.max_cost for call in calls.started] == [Decimal(1), Decimal("0.75"), None]
    unlimited = Calls()
    await Host(calling(), agents=unlimited).run()
    assert unlimited.started[0].max_cost is None


async def test_it_goes_on_at_once_where_it_does_not_wait():
    calls = Calls()
    end = ended(await Host(calling(wait=False), agents=calls).run())
    assert (end.output["got"]["execution_id"], end.output["got"]["status"]) == ("run-1", "started")
    assert not calls.started[0].waits


async def test_a_run_that_was_over_already_is_taken_over_at_once():
    over = CalledRun("run-1", signal(output="done"))
    assert ended(await Host(calling(), agents=Calls(over)).run()).output["got"]["output"] == "done"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (signal("failed", error={"code": "X", "message": "no luck"}), "no luck"),
        (signal("cancelled"), "cancelled"),
    ],
)
async def test_a_failure_fails_the_step_and_is_not_tried_again(told, reason):
    calls = Calls()
    host = Host(calling(), agents=calls)
    await host.run()
    host.journal.signal(host.steps["call"].step_id, told)
    end = ended(await host.run())
    assert (end.error["code"], end.error["node_id"]) == ("AGENT_FAILED", "call")
    assert reason in end.error["message"]
    assert end.error["details"]["execution_id"] == "run-1"
    assert len(calls.started) == 1


async def test_the_error_branch_takes_over():
    definition = graph(
        node("call", "action.run_agent", {"agent_id": "a1"}, on_error="branch"),
        write("late", "{{ node_call.output.error.code }}"),
        "call:error>late",
    )
    host = Host(definition, agents=Calls(UnknownAgentError("none")))
    assert ended(await host.run()).output == {"text": "UNKNOWN_AGENT"}


async def test_the_nodes_time_bounds_the_wait_and_cancels_the_run():
    definition = graph(node("call", "action.run_agent", {"agent_id": "a1"}, timeout_seconds=60))
    calls = Calls()
    host = Host(definition, agents=calls)
    outcome = await host.run()
    assert outcome.waiting_for.until == host.clock.now() + timedelta(seconds=60)
    host.clock.advance(60)
    assert ended(await host.run()).error["code"] == "WAIT_EXPIRED"
    assert calls.cancelled == ["run-1"]


async def test_one_that_cannot_start_for_now_is_asked_again_under_the_same_key():
    calls = Calls(AgentsUnavailableError("later", retry_after=3), CalledRun("run-1"))
    host = Host(calling(), agents=calls)
    _, run = host.start()
    await host.clock.asleep(3)
    host.clock.advance(3)
    assert isinstance(await run, Parked)
    assert len({call.key for call in calls.started}) == 1
    assert len(calls.started) == 2


async def test_each_item_of_a_loop_has_a_key_of_its_own():
    definition = graph(
        node("each", "logic.loop", {"items": [1, 2, 3], "max_concurrency": 3}),
        node("call", "action.run_agent", {"agent_id": "a1", "input": "{{ item }}", "wait": "{{ false }}"}),
        "each:each>call",
        "call>each",
    )
    calls = Calls()
    await Host(definition, agents=calls).run()
    assert {call.key for call in calls.started} == {f"execution-1:call:{n}" for n in range(3)}


async def test_a_dry_run_calls_nobody():
    calls = Calls()
    end = ended(await Host(calling(input=1), agents=calls, dry_run=DryRun()).run())
    assert end.output["got"] == {"dry_run": True, "would": {"agent_id": "a1", "input": 1}}
    assert calls.started == []


async def test_a_run_outside_a_server_says_so():
    result = await run_definition(calling())
    assert result.error["code"] == "NO_AGENTS"
    assert "import" in result.error["message"]


@pytest.mark.parametrize("config", [{"agent_id": ""}, {"agent_id": 7}, {"wait": "perhaps"}, {"agent": "x"}])
def test_a_config_that_is_none_is_not_published(config):
    problems = validate(calling(**config))
    assert [problem.code for problem in problems if problem.severity == "error"] == ["INVALID_CONFIG"]


def test_secrets_stay_here():
    codes = [problem.code for problem in validate(calling(input={"a": ["{{ secrets.TOKEN }}"]}))]
    assert codes == ["SECRET_NOT_ALLOWED"]
