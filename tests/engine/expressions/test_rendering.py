import pytest
from jinja2.nativetypes import NativeEnvironment

from engine.errors import ExpressionError, MissingPathError
from engine.expressions import DryOutput, compile_condition, compile_template, has_expression, render, to_text

SCOPE = {
    "trigger": {
        "data": {
            "name": "Ada",
            "n": 5,
            "half": 0.5,
            "yes": True,
            "none": None,
            "digits": "007",
            "list": [3, 1, 2],
            "items": "a key like any other",
            "keys": 1,
            "get": 2,
            "people": [{"name": "Bo", "age": 30}, {"name": "Al", "age": 20}],
            "dashed-key": {"é": 1},
        }
    },
    "node_a": {"output": {"text": "hi", "empty": ""}},
}


def value(text):
    return compile_template(text).render(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.data.n }}", 5),
        ("{{trigger.data.n}}", 5),
        ("{{- trigger.data.n -}}", 5),
        ("{{ trigger.data.half }}", 0.5),
        ("{{ trigger.data.yes }}", True),
        ("{{ trigger.data.none }}", None),
        ("{{ trigger.data.digits }}", "007"),
        ("{{ trigger.data.list }}", [3, 1, 2]),
        ("{{ trigger.data.people[0].name }}", "Bo"),
        ("{{ trigger.data.people[-1]['name'] }}", "Al"),
        ("{{ trigger.data.list[trigger.data.list[1]] }}", 1),
        ("{{ trigger.data.list[1:] }}", [1, 2]),
        ("{{ trigger.data.name[::-1] }}", "adA"),
        ("{{ trigger.data['dashed-key'].é }}", 1),
        ("{{ trigger.data.items }}", "a key like any other"),
        ("{{ trigger.data.keys + trigger.data.get }}", 3),
        ("{{ null }}", None),
        ("{{ [true, false, null, none] }}", [True, False, None, None]),
        ("{{ {'a': trigger.data.n, 'b': [1]} }}", {"a": 5, "b": [1]}),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ dict(a=1) }}", {"a": 1}),
        ("{{ range(3) }}", [0, 1, 2]),
        ("{{ 7 // 2 + 7 % 2 - -1 }}", 5),
        ("{{ 2 ** 10 / 4 }}", 256.0),
        ("{{ +3 * 2 }}", 6),
        ("{{ 'a' + 'b' }}", "ab"),
        ("{{ [1] + [2] }}", [1, 2]),
        ("{{ 'n=' ~ trigger.data.n ~ trigger.data.none }}", "n=5"),
        ("{{ 'big' if trigger.data.n > 3 else 'small' }}", "big"),
        ("{{ 'big' if trigger.data.n > 30 }}", None),
        ("{{ trigger.data.n > 3 and trigger.data.name }}", "Ada"),
        ("{{ trigger.data.n < 3 or 'else' }}", "else"),
        ("{{ not trigger.data.n }}", False),
        ("{{ 1 < trigger.data.n <= 5 }}", True),
        ("{{ 'd' in trigger.data.name and 9 not in trigger.data.list }}", True),
        ("{{ 'name' in trigger.data }}", True),
    ],
)
def test_a_whole_expression_keeps_its_type(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("no expression", "no expression"),
        ("Hi {{ trigger.data.name }}!", "Hi Ada!"),
        (" {{ trigger.data.n }}", " 5"),
        ("{{ trigger.data.n }}{{ trigger.data.n }}", "55"),
        ("-{{ trigger.data.none }}-{{ trigger.data.yes }}-", "--true-"),
        ("= {{ trigger.data.people[0] }}", '= {"name": "Bo", "age": 30}'),
        ("line\n", "line\n"),
        ("{{ trigger.data.n }}\n", "5\n"),
        ("{# nobody sees this #}x", "x"),
        ("{% raw %}{{ not this }}{% endraw %}", "{{ not this }}"),
        ("{% if trigger.data.n > 9 %}a{% elif trigger.data.n > 4 %}b{% else %}c{% endif %}", "b"),
        ("{% if false %}a{% else %}c{% endif %}", "c"),
        ("{% for x in trigger.data.list %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "3,1,2"),
        ("{% for x in [] %}a{% else %}none{% endfor %}", "none"),
        ("{% for x in [1,2,3,4] if x is even %}{{ loop.index }}{{ x }} {% endfor %}", "12 24 "),
        ("{% for k, v in {'a': 1} | items %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        ("{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for c in 'xy' %}[{{ c }}]{% endfor %}", "a[x][y]"),
        (
            "{% for x in [1,2] %}{{ loop.previtem | d('-') }}{{ loop.nextitem | d('-') }} {% endfor %}",
            "-2 1- ",
        ),
        (
            "{% for x in [1] %}{% for y in [2] %}{{ loop.length }}{{ x }}{{ y }}{% endfor %}{% endfor %}",
            "112",
        ),
        ("{% set x = 2 %}{{ x + 1 }}", "3"),
        ("{% set a, b = [1, 2] %}{{ b }}{{ a }}", "21"),
        ("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1"),
        ("{% set x %}<{{ trigger.data.name }}>{% endset %}{{ x }}{{ x }}", "<Ada><Ada>"),
        ("{% set x | upper | replace('A', 'b') %}ada{% endset %}{{ x }}", "bDb"),
        ("{% with x = 5 %}{{ x }}{% endwith %}", "5"),
        ("{% filter upper %}ada {{ trigger.data.name }}{% endfilter %}", "ADA ADA"),
    ],
)
def test_everything_else_becomes_text(text, expected):
    assert value(text) == expected


BENIGN = [
    "{{ trigger.data.list | sort | join('-') }}",
    "{{ trigger.data.people | map(attribute='name') | list }}",
    "{{ trigger.data.people | selectattr('age', 'gt', 25) | map(attribute='name') | join }}",
    "{{ trigger.data.list | sum + trigger.data.list | max - trigger.data.list | min }}",
    "{{ trigger.data.name | upper ~ trigger.data.name | lower | capitalize }}",
    "{{ 'a-b-c' | replace('-', '+') | title | trim('A') }}",
    "{{ [1, 2, 2, 3, 'A', 'a'] | unique | list }}",
    "{{ [1, 2, 3, 4, 5] | batch(2, 0) | list }}",
    "{{ [1, 2, 3, 4, 5] | slice(2) | list }}",
    "{{ [1, 2, 3, 4, 5] | slice(3, 'x') | list }}",
    "{{ 3.14159 | round(2) }}",
    "{{ 3.9 | int }}",
    "{{ 'x' | int(7) }}",
    "{{ '2.5' | float }}",
    "{{ 12345 | filesizeformat }}",
    "{{ 'the quick brown fox jumps' | truncate(12) }}",
    "{{ 'the quick brown fox jumps' | wordwrap(10) }}",
    "{{ 'a b c' | wordcount }}",
    "{{ 'x\ny' | indent(2, true) }}",
    "{{ 'x' | center(5) }}",
    "{{ '%s=%d' | format('a', 3) }}",
    "{{ {'b': 1, 'a': 2} | dictsort }}",
    "{{ [3, 1, 2] | reverse | list }}",
    "{{ 'abc' | first ~ 'abc' | last }}",
    "{{ [[1, 2], [3]] | map('length') | list }}",
    "{{ [0, 1, ''] | select | list }}",
    "{{ [0, 1, 2] | reject('odd') | list }}",
    "{{ 'a b&c' | urlencode }}",
    "{{ -3 | abs }}",
    "{{ 'x' is string and 3 is number and {} is mapping and [] is sequence }}",
    "{{ 4 is divisibleby 2 and 'ab' is lower and 'AB' is upper and none is none }}",
    "{{ 3 is odd and 4 is even and true is true and 1.5 is float and 1 is integer }}",
    "{{ 2 in [1, 2] and 3 is in [3] and 1 is lt 2 and 2 is ge 2 }}",
    "{{ 5 is defined and nothing is undefined }}",
    "{{ '<b>x</b>' | striptags }}",
    "{{ [1, 2] | count }}",
    "{{ nothing | default('d') ~ '' | default('e', true) }}",
    "{% for x in range(3) %}{{ loop.revindex }}{{ loop.first }}{% endfor %}",
]


@pytest.mark.parametrize("text", BENIGN)
def test_it_means_what_jinja_means(text):
    """Compared with Jinja itself, but for booleans within text and tuples, which are JSON's here."""
    env = NativeEnvironment()
    expected = env.from_string(text).render(SCOPE)
    if "{%" in text:
        expected = expected if isinstance(expected, str) else str(expected)
        expected = expected.replace("True", "true").replace("False", "false")
    found = value(text)
    assert to_text(found) == to_text(_listed(expected))


def _listed(found):
    if isinstance(found, list | tuple):
        return [_listed(each) for each in found]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.data.missing | default('friend') }}", "friend"),
        ("{{ trigger.data.a.b[3].c | default('deep') }}", "deep"),
        ("{{ nobody.there | d(0) }}", 0),
        ("{{ trigger.data.none.name | default('past null') }}", "past null"),
        ("{{ trigger.data.missing | upper | default('filtered') }}", "filtered"),
        ("{{ (trigger.data.x.y ~ '!') | default('joined') }}", "joined"),
        ("{{ trigger.data.none | default('kept') }}", None),
        ("{{ trigger.data.none | default('taken', true) }}", "taken"),
        ("{{ trigger.data.none | default(default_value='named', boolean=true) }}", "named"),
        ("{{ trigger.data.missing | default }}", ""),
        ("{{ [] | first | default('none') }}", "none"),
        ("{{ trigger.data.a.b is defined }}", False),
        ("{{ trigger.data.a.b is undefined }}", True),
        ("{{ trigger.data.n is defined }}", True),
    ],
)
def test_default_covers_the_whole_path_before_it(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{ nobody }}", "nobody"),
        ("{{ node_b.output.text }}", "node_b"),
        ("{{ trigger.data.a.b.c }}", "trigger.data.a"),
        ("{{ trigger.data.list[3] }}", "trigger.data.list[3]"),
        ("{{ trigger.data.list.name }}", "trigger.data.list.name"),
        ("{{ trigger.data.none.x }}", "trigger.data.none.x"),
        ("{{ trigger.data.n.x }}", "trigger.data.n.x"),
        ("{{ trigger.data[trigger.data.name] }}", "….Ada"),
        ("{{ (trigger.data.list | sort)[9] }}", "…[9]"),
        ("{{ [] | last }}", "last"),
        ("{{ [] | max }}", "max"),
        ("{{ [{}] | map(attribute='a') }}", "a"),
        ("Hi {{ trigger.data.a.b }}", "trigger.data.a"),
        ("{% if trigger.data.a %}{% endif %}", "trigger.data.a"),
    ],
)
def test_a_path_that_is_not_there_is_an_error_naming_it(text, path):
    with pytest.raises(MissingPathError) as caught:
        value(text)
    assert caught.value.details["path"] == path
    assert caught.value.code == "MISSING_PATH"


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 + 'a' }}",
        "{{ [1] < 2 }}",
        "{{ 1 in 2 }}",
        "{{ 1 / 0 }}",
        "{{ 5 % 0 }}",
        "{{ 'a' | abs }}",
        "{{ ['a'] | sum }}",
        "{{ 5 | length }}",
        "{{ [1, 'a'] | sort }}",
        "{{ -'a' }}",
        "{{ {1: 2} }}",
        "{{ 5[1:2] }}",
        "{{ 'abc'[::0] }}",
        "{{ range('a') }}",
        "{{ range(1, 2, 0) }}",
        "{{ 'x' | fromjson }}",
        "{{ '[NaN]' | fromjson }}",
        "{{ [1] | urlencode }}",
        "{{ 'a' | split('') }}",
        "{{ 'a' | truncate(1) }}",
        "{{ 'a' | replace }}",
        "{{ [1] | map('nope') }}",
        "{{ [1] | map }}",
        "{{ [1] | select('nope') }}",
        "{{ [1] | selectattr }}",
        "{{ 1 | items }}",
        "{{ {} | dictsort(by='size') }}",
        "{{ [1] | batch(0) }}",
        "{{ 'x' | round }}",
        "{{ '%q' | format(1) }}",
        "{{ '%s' | format(1, a=2) }}",
        "{{ '%d' | format('a') }}",
        "{{ 4 is divisibleby }}",
        "{% for a, b in [[1]] %}{% endfor %}",
        "{% for a in 5 %}{% endfor %}",
        "{{ (-8) ** 0.5 }}",
    ],
)
def test_what_does_not_work_is_an_expression_error(text):
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{ }}",
        "{{ a b }}",
        "{% if %}",
        "{% for x in y %}",
        "{% nonsense %}",
        "{{ a | nofilter }}",
        "{{ a is notest }}",
        "{{ a is eq(x=1) }}",
        "{{ a | default(1, 2, 3) }}",
        "{{ a | default(nope=1) }}",
        "{% set a.b = 1 %}",
        "{% for a.b in c %}{% endfor %}",
        "{{ 'a' 'b }}",
        "{{ 1e999 }}",
        "{{ '\\ud800' }}",
        "{{ '\\x00' }}",
    ],
)
def test_bad_syntax_is_refused_when_compiled(text):
    with pytest.raises(ExpressionError):
        compile_template(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trigger.data.n > 3", True),
        ("{{ trigger.data.n > 3 }}", True),
        ("  {{ trigger.data.n }}  ", True),
        ("trigger.data.none", False),
        ("''", False),
        ("'false'", True),
        ("trigger.data.list", True),
        ("node_a.output.text == 'hi' and not node_a.output.empty", True),
    ],
)
def test_conditions_come_with_or_without_braces(text, expected):
    assert compile_condition(text).holds(SCOPE) is expected


@pytest.mark.parametrize(
    "text", ["", "a }} {{ b", "{{ a }} and {{ b }}", "{% if a %}b{% endif %}", "x {{ a }}", "a b"]
)
def test_a_condition_is_one_expression(text):
    with pytest.raises(ExpressionError):
        compile_condition(text)


def test_whole_configs_are_rendered_and_errors_name_the_field():
    config = {"a": ["{{ trigger.data.n }}", {"b": "x{{ trigger.data.n }}"}], "c": 1, "d": None}
    assert render(config, SCOPE) == {"a": [5, {"b": "x5"}], "c": 1, "d": None}
    with pytest.raises(MissingPathError) as caught:
        render({"a": [1, {"b": "{{ trigger.nope }}"}]}, SCOPE)
    assert caught.value.details["field"] == "a[1].b"


def test_what_came_from_outside_is_never_evaluated_again():
    scope = {"trigger": {"data": "{{ 7 * 7 }}"}}
    for _ in range(5):
        rendered = render({"text": "{{ trigger.data }}", "more": "<{{ trigger.data }}>"}, scope)
        assert rendered == {"text": "{{ 7 * 7 }}", "more": "<{{ 7 * 7 }}>"}
        scope = {"trigger": {"data": rendered["text"]}}


def test_what_is_missing_in_a_dry_output_is_null_however_deep():
    scope = {"node_x": {"output": DryOutput(dry_run=True, would={"url": "u"})}, "i": 0}
    assert compile_template("{{ node_x.output.a.b[0].c }}").render(scope) is None
    assert compile_template("{{ node_x.output.a[i].b }}").render(scope) is None
    assert compile_template("{{ [node_x.output] | map(attribute='a') }}").render(scope) == [None]
    assert compile_template("{{ node_x.output.would.url }}").render(scope) == "u"
    with pytest.raises(MissingPathError):
        compile_template("{{ node_y.output }}").render(scope)


def test_has_expression():
    assert [has_expression(text) for text in ("{{ a }}", "{% a %}", "{# a #}", "{ a }", "}}")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_compiled_once():
    assert compile_template("{{ a.b }}") is compile_template("{{ a.b }}")
    assert compile_condition("a.b") is compile_condition("a.b")
