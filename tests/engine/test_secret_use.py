"""A secret is put in place and nothing else: what could be turned round could no longer be masked."""

import pytest

import engine
from engine.expressions import is_only_put_out
from engine.validation import validate
from tests.engine.graphs import graph, write

AS_IT_IS = (
    "{{ secrets.KEY }}",
    "Bearer {{ secrets.KEY }} and {{ secrets.OTHER }}",
    "{{ secrets['KEY'] }}",
    "{% if trigger.data.a %}{{ secrets.KEY }}{% else %}none{% endif %}",
    "{% for a in trigger.data.b %}{{ a }}={{ secrets.KEY }}{% endfor %}",
    "{{ trigger.data.text | upper }}",
    "no expression at all: secrets.KEY | upper",
)
ALTERED = (
    "{{ secrets.KEY | upper }}",
    "{{ secrets.KEY | reverse }}",
    "{{ secrets.KEY[0:4] }} {{ secrets.KEY[4:] }}",
    "{{ secrets.KEY[0] }}",
    "{{ secrets.KEY ~ '' }}",
    "{{ 'a' if secrets.KEY > 'm' else 'b' }}",
    "{% if secrets.KEY == 'x' %}yes{% endif %}",
    "{% for c in secrets.KEY %}{{ c }} {% endfor %}",
    "{% set a = secrets.KEY %}{{ a | upper }}",
    "{{ trigger.data[secrets.KEY] }}",
    "{{ [secrets.KEY] }}",
    "{{ secrets }}",
    "{{ trigger.data.x | default(secrets.KEY) }}",
)


@pytest.mark.parametrize("text", AS_IT_IS)
def test_what_only_puts_it_out(text: str) -> None:
    assert is_only_put_out(text, "secrets")


@pytest.mark.parametrize("text", ALTERED)
def test_what_does_more(text: str) -> None:
    assert not is_only_put_out(text, "secrets")


@pytest.mark.parametrize("text", ALTERED)
async def test_such_a_graph_is_not_published_and_would_not_run(text: str) -> None:
    asking = graph(write("say", text))
    found = validate(asking)
    assert "SECRET_NOT_ALLOWED" in [problem.code for problem in found if problem.severity == "error"]
    result = await engine.run(asking, {"x": 1}, secrets={"KEY": "canary-of-the-vault"})
    assert result.status == "failed"
    assert "canary" not in str(result)
