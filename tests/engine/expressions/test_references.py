import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.expressions import Reference, references, rename


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
        ("a\r\nb\r{{\r\nnode_a }}\r\n", "a\r\nb\r{{\r\nnode_new }}\r\n"),
        (
            "a  {%- if node_a -%}  b  {{- node_a -}} c {%- endif %}",
            "a  {%- if node_new -%}  b  {{- node_new -}} c {%- endif %}",
        ),
        ("{{ dict(node_a=node_a, b = node_a == 1) }}", "{{ dict(node_a=node_new, b = node_new == 1) }}"),
        ("{% set node_a = trigger %}{{ node_a.x }}", "{% set node_a = trigger %}{{ node_a.x }}"),
        ("{% for node_a in x %}{{ node_a }}{% endfor %}", "{% for node_a in x %}{{ node_a }}{% endfor %}"),
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
        ("  node_a\r\n  and 'node_a'  ", "  node_new\r\n  and 'node_a'  "),
    ],
)
def test_renaming_in_conditions(text, expected):
    assert rename(text, "a", "new", condition=True) == expected


def test_renaming_reaches_what_somebody_is_still_writing():
    """As far as it can be read; strings and texts around it are no references even there."""
    assert rename("{{ node_a.x ] x.node_a", "a", "new") == "{{ node_new.x ] x.node_a"
    assert rename("node_a.x ]", "a", "new", condition=True) == "node_new.x ]"
    assert rename("node_a {{ node_a ~ 'node_a", "a", "new") == "node_a {{ node_new ~ 'node_a"
    assert rename("{{ node_a.x", "a", "new") == "{{ node_new.x"


WORDS = "{{ {{- }} -}} {% {%- %} {# #} if endif set for in raw endraw node_a node_ab node_c ' \" \\ . | ="
PIECES = st.sampled_from(
    [*WORDS.split(), "==", *"()[],", "~", "x", "é", "1", "$", " ", "  ", "\n", "\r\n", "\r"]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
@example("a {%- if node_a %}\r\n", False)
@settings(max_examples=1000)
def test_renaming_there_and_back_changes_nothing(text, condition):
    there = rename(text, "a", "new", condition=condition)
    assert rename(there, "new", "a", condition=condition) == text
    try:
        before = references(text, condition=condition)
    except ExpressionError:
        return
    renamed = [Reference({"node_a": "node_new"}.get(each.root, each.root), each.keys) for each in before]
    assert set(references(there, condition=condition)) == set(renamed)
