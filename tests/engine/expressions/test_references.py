import pytest

from engine.errors import ExpressionError
from engine.expressions import references, rename


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", []),
        ("{{ trigger.data.x }} {{ node_a.output.b[0].c }}", ["trigger.data.x", "node_a.output.b[0].c"]),
        ("{{ node_a.output.items[trigger.n].z }}", ["node_a.output.items", "trigger.n"]),
        ("{{ node_a.output.x | default(node_b.output.y) }}", ["node_a.output.x", "node_b.output.y"]),
        ("{% for x in trigger.list %}{{ x.y }}{{ loop.index }}{% endfor %}", ["trigger.list"]),
        ("{% set x = node_a.output %}{{ x.y }}", ["node_a.output"]),
        ("{{ range(3) }}{{ dict(a=trigger.b) }}{{ null }}", ["trigger.b"]),
        ("{{ trigger.a }}{{ trigger.a }}", ["trigger.a"]),
        ("{{ loop.index }}", ["loop.index"]),
    ],
)
def test_the_paths_that_a_text_uses(text, expected):
    assert sorted(map(str, references(text))) == sorted(expected)


def test_references_of_a_condition():
    assert [each.node_id for each in references("node_a.output.x > trigger.n", condition=True)] == ["a", None]
    with pytest.raises(ExpressionError):
        references("{{ a", condition=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ node_a.output.x }}", "{{ node_new.output.x }}"),
        ("node_a {{ node_a }} node_a", "node_a {{ node_new }} node_a"),
        ("{{ 'node_a' ~ node_a ~ x.node_a ~ node_ab }}", "{{ 'node_a' ~ node_new ~ x.node_a ~ node_ab }}"),
        ("{% if node_a.x %}{{ node_a . y }}{% endif %}", "{% if node_new.x %}{{ node_new . y }}{% endif %}"),
        ("{% raw %}{{ node_a }}{% endraw %}", "{% raw %}{{ node_a }}{% endraw %}"),
        ("{# node_a #}{{ b }}", "{# node_a #}{{ b }}"),
        ("line\n\n{{ node_a }}\n", "line\n\n{{ node_new }}\n"),
    ],
)
def test_renaming_touches_references_only(text, expected):
    assert rename(text, "a", "new") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node_a.output.x > 1", "node_new.output.x > 1"),
        ("{{ node_a.output.x > 1 }}", "{{ node_new.output.x > 1 }}"),
        ("b > 1", "b > 1"),
    ],
)
def test_renaming_in_conditions(text, expected):
    assert rename(text, "a", "new", condition=True) == expected


def test_renaming_reaches_what_somebody_is_still_writing():
    assert rename("{{ node_a.x ] x.node_a", "a", "new") == "{{ node_new.x ] x.node_a"
    assert rename("node_a.x ]", "a", "new", condition=True) == "node_new.x ]"
