import pytest

from engine import DryRun, RunSettings, validate
from engine.secrets import GivenSecrets
from engine.testing import run_definition
from tests.engine.graphs import graph, node

ONCE = RunSettings(max_retries=0)


def code(text, /, **inputs):
    return {"code": text, "inputs": inputs}


async def compute(text, data=None, /, *, settings=ONCE, **inputs):
    return await run_definition(
        graph(node("a", "action.code", code(text, **inputs))), data, settings=settings
    )


def logged(result):
    return [event["message"] for event in result.events if event["type"] == "log"]


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("inputs['n'] * 2", 42),
        ("{'total': sum(inputs['list']), 'name': inputs['name'].upper()}", {"total": 6, "name": "ADA"}),
        ("[(1, 2.5), None, True]", [[1, 2.5], None, True]),
        ("x = inputs['n']", None),
        ("'é\U0001f600'", "é\U0001f600"),
        ("10 ** 30", 10**30),
        ("inputs", {"n": 21, "list": [1, 2, 3], "name": "ada"}),
        ("import json, re, math\njson.loads('[1]')[0] + math.floor(1.5)", 2),
        ("def f(x):\n    return x + 1\n\nf(inputs['n'])", 22),
    ],
)
async def test_the_last_expression_is_the_output(text, output):
    data = {"n": 21, "list": [1, 2, 3], "name": "ada"}
    given = {
        "n": "{{ trigger.data.n }}",
        "list": "{{ trigger.data.list }}",
        "name": "{{ trigger.data.name }}",
    }
    result = await compute(text, data, **given)
    assert (result.status, result.output) == ("completed", output), result.error


async def test_the_next_node_has_it():
    definition = graph(
        node("a", "action.code", code("{'items': [1, 2]}")),
        node("b", "action.set", {"values": {"n": "{{ node_a.output['items'][1] }}"}}),
        "a>b",
    )
    assert (await run_definition(definition)).output == {"n": 2}


async def test_braces_are_pythons():
    result = await compute("f'{{{ {1: 2}[1] }}}' + '{{ trigger.data }}'", "x")
    assert result.output == "{2}{{ trigger.data }}"


async def test_what_comes_in_is_never_code():
    result = await compute("inputs['text']", "'); import os; ('", text="{{ trigger.data }}")
    assert result.output == "'); import os; ('"


async def test_an_error_names_the_line():
    result = await compute("def f(x):\n    return 1 / x\n\nf(0)")
    assert (result.error["code"], result.error["message"]) == (
        "CODE_FAILED",
        "Line 2: ZeroDivisionError: division by zero",
    )
    assert [frame["line"] for frame in result.error["details"]["frames"]] == [4, 2]
    assert [step.attempt for step in result.steps if step.node_id == "a"] == [1]


async def test_an_error_may_be_handled_by_the_graph():
    definition = graph(node("a", "action.code", code("1 / 0"), on_error="continue"))
    result = await run_definition(definition)
    assert result.output["error"]["code"] == "CODE_FAILED"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{1, 2}", "The output is of type set"),
        ("[{'a': {'b': b'x'}}]", "The output[0]['a']['b'] is of type bytes"),
        ("{1: 'x'}", "The output has the key 1, which is no text"),
        ("class Order: pass\nOrder()", "The output is of type Order"),
        ("float('nan')", "The output is nan"),
        ("import datetime\ndatetime.date(2030, 1, 1)", "The output is of type date"),
    ],
)
async def test_what_is_no_json_is_said_where(text, told):
    result = await compute(text)
    assert (result.error["code"], told in result.error["message"]) == ("CODE_FAILED", True), result.error


async def test_what_is_printed_is_in_the_log_also_of_a_failure():
    result = await compute("print('one', 2)\nprint('three')\n1")
    assert logged(result) == ["one 2\nthree\n"]
    result = await compute("print('before')\n1 / 0")
    assert logged(result) == ["before\n"]
    result = await compute("for i in range(100000): print('x' * 10)")
    (message,) = logged(result)
    assert message.endswith("… the rest is not kept")
    assert len(message) < 20_000


async def test_it_has_no_clock_and_its_chance_is_the_step_s():
    result = await compute("import time\ntime.time()")
    assert "time.time is not available to code" in result.error["message"]
    text = "import random\n[random.random(), random.randint(1, 10 ** 9)]"
    definition = graph(
        node("a", "action.code", code(text)),
        node("b", "action.code", code(text + " + inputs['a']", a="{{ node_a.output }}")),
        "a>b",
    )
    first, second = (await run_definition(definition)).output, (await run_definition(definition)).output
    assert first[:2] != first[2:]
    assert first != second


async def test_a_dry_run_runs_it_too():
    definition = graph(node("a", "action.code", code("1 + 1")))
    assert (await run_definition(definition, dry_run=DryRun())).output == 2


@pytest.mark.parametrize("where", ["{{ secrets.KEY }}", "Bearer {{ secrets.KEY }}"])
async def test_a_secret_is_never_given_to_code(where):
    definition = graph(node("a", "action.code", code("inputs['key'][::-1]", key=where)))
    (problem,) = validate(definition)
    assert (problem.code, problem.field, problem.severity) == ("SECRET_NOT_ALLOWED", "inputs.key", "error")
    result = await run_definition(definition, secrets=GivenSecrets({"KEY": "canary-value"}), settings=ONCE)
    assert result.status == "failed"
    assert "eulav-yranac" not in repr((result.events, result.steps))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\ny = (", "Line 2: '(' was never closed."),
        ("if True:\nx", "Line 2: expected an indented block after 'if' statement on line 1."),
        ("x = 1\x00", "The code cannot be read: source code string cannot contain null bytes."),
        ("-" * 50_000 + "1", "The code is nested too deeply."),
    ],
)
def test_what_cannot_be_read_is_not_published(text, told):
    definition = graph(node("a", "action.code", code(text)))
    (problem,) = validate(definition)
    assert (problem.code, problem.field, problem.message) == ("INVALID_CONFIG", "code", told)


UNKNOWN = {
    "yield": "def f():\n    yield 1",
    "yield from": "def f():\n    yield from []",
    "del": "x = 1\ndel x",
    "async for": "async def f():\n    async for x in []: pass",
    "async with": "async def f():\n    async with x: pass",
    "except*": "try:\n    1\nexcept* ValueError: pass",
    "import *": "\nfrom math import *",
    "inheritance": "\nclass Late(ValueError): pass",
    "metaclass": "\nclass A(metaclass=type): pass",
    "property": "class A:\n    @property\n    def x(self): return 1",
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_what_the_interpreter_does_not_know_is_told_before_it_runs(name):
    """And it is not said of what it has learned meanwhile."""
    definition = graph(node("a", "action.code", code(UNKNOWN[name])))
    (problem,) = validate(definition)
    assert problem.field == "code"
    assert problem.message.startswith(("Line 1: ", "Line 2: ", "Line 3: "))
    assert problem.message.endswith("cannot be used here.")
    result = await run_definition(definition, settings=ONCE)
    assert "NotImplementedError" in result.error["message"]


@pytest.mark.parametrize("text", ["'\\d'", "return 1", "await f()", "x: int = 'a'", "1 if 1 else 2"])
def test_what_can_be_read_is(text):
    assert validate(graph(node("a", "action.code", code(text)))) == []


@pytest.mark.parametrize(
    "config", [{}, {"code": ""}, {"code": 3}, {"code": "x" * 100_001}, {"code": "1", "inputs": [1]}]
)
def test_a_config_that_is_wrong_is_told(config):
    (problem, *_) = validate(graph(node("a", "action.code", config)))
    assert problem.code == "INVALID_CONFIG"
