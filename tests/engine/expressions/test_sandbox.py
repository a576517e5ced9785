"""What attackers tried on Jinja2 and on peers: nothing is reached, takes long or grows large."""

import contextlib
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError, ExpressionLimitError
from engine.expressions import compile_template, references, rename, render
from engine.expressions.limits import MAX_SOURCE

SCOPE = {
    "trigger": {"data": {"text": "x", "n": 3, "list": [1, 2], "map": {"a": 1}, "fmt": "{0.__class__}"}},
    "node_a": {"output": {"text": "hi"}},
}

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ['a']|map(attribute='__class__')|list }}",
    "{{ ['a']|map('attr', '__class__')|list }}",
    "{{ ['a']|groupby('__class__') }}",
    "{{ ['a']|sort(attribute='__class__') }}",
    "{{ ['a']|sum(attribute='__class__') }}",
    "{{ ['a']|unique(attribute='__class__')|list }}",
    "{{ ['a']|join(attribute='__class__') }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__ }}",
    "{{ namespace() }}",
    "{{ namespace(a=1) }}",
    "{{ lipsum() }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ config }}",
    "{{ request }}",
    "{{ request.application.__globals__ }}",
    "{{ process.env }}",
    "{{ constructor.constructor('return process')() }}",
    "{{ trigger.constructor.constructor('return this')() }}",
    "{{ trigger.data.list.append(3) }}",
    "{{ trigger.data.map.update({'b': 1}) }}",
    "{{ trigger.data.map.items() }}",
    "{{ trigger.data.text.upper() }}",
    "{{ trigger.data.text.format(1) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{0.__class__}'|format(1) }}",
    "{{ '%(a.__class__)s'|format(a=1) }}",
    "{{ trigger.data.fmt.format_map({}) }}",
    "{{ ''.join(['a']) }}",
    "{{ range.__class__ }}",
    "{{ dict.__base__ }}",
    "{{ dict(__class__=1).__class__.__mro__ }}",
    "{{ (1).__class__ }}",
    "{{ true.__class__ }}",
    "{{ none.__class__ }}",
    "{{ loop }}",
    "{% for i in [1] %}{{ loop.__init__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call m() %}{% endcall %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import system %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'x' %}",
    "{% block b %}{% endblock %}",
    "{% set ns = namespace() %}{% set ns.x = 1 %}",
    "{{ trigger|pprint }}",
    "{{ trigger|xmlattr }}",
    "{{ 'http://a.b'|urlize }}",
    "{{ [1]|random }}",
    "{{ [1]|map('map')|list }}",
    "{{ [1, 2]|select('__class__')|list }}",
    "{{ 1 is sameas 1 }}",
    "{{ range is callable }}",
    "{{ 1 is filter }}",
    "{{ dict(*[1]) }}",
    "{{ dict(**trigger.data.map) }}",
    "{{ range(*[3]) }}",
    "{{ trigger.data[trigger] }}",
    "{{ trigger[['data']] }}",
    "{{ _ }}",
    "{{ __import__('os') }}",
    "{{ open('/etc/passwd') }}",
    "{{ import os }}",
    "{{ lambda: 1 }}",
    "{{ [x for x in y] }}",
    "{{ x := 1 }}",
    "{{ f'{1}' }}",
    "{{ caller() }}",
    "{{ varargs }}",
    "{{ debug }}",
    "{% debug %}",
    "{% do 1 %}",
    "{% trans %}{% endtrans %}",
    "{% autoescape true %}{% endautoescape %}",
    # Families that peers fell to: prototypes and constructors, frames and generators, names in disguise,
    # globals of frameworks, objects that a host puts in reach.
    "{{ ({}).constructor.constructor('return 1')() }}",
    "{{ [].constructor }}",
    "{{ ''['constructor'] }}",
    "{{ trigger['__proto__'] }}",
    "{{ trigger.data.map['__proto__'] }}",
    "{{ trigger.data.map.__proto__.polluted }}",
    "{{ this }}",
    "{{ this.process.mainModule.require('child_process') }}",
    "{{ globalThis }}",
    "{{ require('fs') }}",
    "{{ global.process }}",
    "{{ Function('return 1')() }}",
    "{{ (() => 1)() }}",
    "{{ $env.PATH }}",
    "{{ $node }}",
    "{{ $input.all() }}",
    "{{ $jmespath({}, 'a') }}",
    "{{ `${1}` }}",
    "{{ new Date() }}",
    "{{ env }}",
    "{{ env.PATH }}",
    "{{ os }}",
    "{{ os.environ }}",
    "{{ sys.modules }}",
    "{{ builtins }}",
    "{{ __builtins__ }}",
    "{{ __builtins__['eval']('1') }}",
    "{{ eval('1') }}",
    "{{ exec('1') }}",
    "{{ compile('1', '', 'eval') }}",
    "{{ getattr('', '__class__') }}",
    "{{ type('') }}",
    "{{ vars() }}",
    "{{ globals() }}",
    "{{ locals() }}",
    "{{ object }}",
    "{{ Undefined }}",
    "{{ undefined.__init__.__globals__ }}",
    "{{ trigger.nope.__class__ }}",
    "{{ trigger.__init__.__globals__ }}",
    "{{ trigger.data.__getitem__ }}",
    "{{ trigger.data.list.__len__() }}",
    "{{ trigger.data.list.__iter__().gi_frame }}",
    "{{ (trigger.data.list|map('upper')).gi_frame.f_back.f_globals }}",
    "{{ trigger.data.n.real }}",
    "{{ trigger.data.n.to_bytes(1, 'big') }}",
    "{{ trigger.data.text.encode() }}",
    "{{ trigger.data.text.__class__ }}",
    "{{ trigger.data['te' ~ 'xt'].__class__ }}",
    "{{ trigger['__cla' ~ 'ss__'] }}",
    "{{ ''['__cla' 'ss__'] }}",
    "{{ ''|attr('__cla' ~ 'ss__') }}",
    "{{ ''|attr(['__', 'class', '__']|join) }}",
    "{{ ''|attr('ssalc'|reverse) }}",
    "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ ''['\\u005f\\u005fclass\\u005f\\u005f'] }}",
    "{{ ''.\uff3f\uff3fclass\uff3f\uff3f }}",
    "{{ session }}",
    "{{ g.pop.__globals__ }}",
    "{{ current_app }}",
    "{{ settings.SECRET_KEY }}",
    "{{ handler.settings }}",
    "{{ app }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ self.__dict__ }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ (self|attr('_TemplateReference__context')) }}",
    "{{ [cycler, joiner]|first }}",
    "{{ cycler|list }}",
    "{{ range(3).__iter__ }}",
    "{{ range.__init__.__globals__ }}",
    "{{ dict.mro() }}",
    "{{ dict(a=1)|xmlattr }}",
    "{% set x = ''.__class__ %}{{ x }}",
    "{% with x = ''.__class__ %}{{ x }}{% endwith %}",
    "{% if ''.__class__ %}1{% endif %}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    "{% print(''.__class__) %}",
    "{% raw %}{% endraw %}{{ ''.__class__ }}",
    "{{ trigger if trigger.__class__ else 1 }}",
    "{{ [''.__class__] }}",
    "{{ {'a': ''.__class__} }}",
    "{{ ''.__class__ ~ '' }}",
    "{{ not ''.__class__ }}",
    "{{ trigger[''.__class__] }}",
    "{{ trigger.data.list[''.__class__:] }}",
    "{{ 1 if 1 is eq(''.__class__) }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_of_python_is_reached(text):
    with pytest.raises(ExpressionError):
        render(text, SCOPE)


BOMBS = [
    "{{ 'a' * 1000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ 9 ** 9 ** 9 ** 9 }}",
    "{{ 2 ** 100000 }}",
    "{{ 99999999999999999999 * 99999999999999999999 }}",
    "{{ 1e308 * 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '%.1000000000f' | format(1) }}",
    "{{ '%*d' | format(1000000000, 1) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a\n' | indent(1000000000) }}",
    "{{ [1] | batch(1000000000, 0) }}",
    "{{ [1] | slice(1000000000) }}",
    "{{ range(1000000000) }}",
    "{{ range(0, 100000000000000000000, 1) }}",
    "{{ range(99999) | join('" + "a" * 220 + "') }}",
    "{{ range(99999) | join | replace('', range(9999) | join) }}",
    "{{ 1.5 | round(1000000000, 'ceil') }}",
    "{{ [1] | tojson(indent=1000000000) }}",
    "{{ 'a' | wordwrap(10000000000) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999) | sort | sum }}{% endfor %}",
    "{% for a in range(99999) if (range(99999) | sum) %}{% endfor %}",
    "{{ range(99999) | map('string') | map('replace', '', 'a' ~ 'b') | map('center', 9999) | join }}",
    "{{ range(9999) | select('in', range(99999)) | list }}" + "{{ 1 }}" * 100,
    "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 100 + "{{ a }}",
    "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a + a %}" * 100 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a | tojson }}",
    "{% set a = {} %}" + "{% set a = {'a': a, 'b': a} %}" * 60 + "{{ a | string }}",
    "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a | length }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "{{ " + "not " * 5000 + "1 }}",
    "{{ " + "-" * 5000 + "1 }}",
    "{{ 1" + " + 1" * 20000 + " }}",
    "{{ a" + ".a" * 20000 + " }}",
    "{{ 1" + " | abs" * 20000 + " }}",
    "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
    "{{ " + "9" * 5000 + " }}",
    "{{ 'a' }}" + "a" * MAX_SOURCE,
    "{{ ('<' ~ 'a' * 3) | striptags }}",
]


@pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
def test_nothing_takes_long_or_grows_large(text):
    began = time.process_time()
    try:
        found = render(text, SCOPE)
    except ExpressionError:
        pass
    else:
        assert len(str(found)) < 1_000_000
    # A guard against hanging only: the limits are counts and CPU time of their own.
    assert time.process_time() - began < 15


def test_the_same_large_data_named_often_is_counted_each_time():
    scope = {"trigger": {"data": "x" * 1_000_000}}
    with pytest.raises(ExpressionLimitError):
        render({f"f{number}": "{{ trigger.data }}" for number in range(100)}, scope)


def test_data_nested_absurdly_deep_is_refused():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ExpressionLimitError):
        render("{{ trigger }}", {"trigger": nested})


def test_heavy_filters_refuse_huge_text():
    with pytest.raises(ExpressionLimitError):
        render("{{ trigger | striptags }}", {"trigger": "<!--" * 100_000})


PIECES = (
    "{{ }} {% %} trigger .data ['n'] [0] __class__ .__init__ | attr map join 'a' \" ( ) [ ] { } , 1 9999999 "
    "* ** % ~ + - for in if set endfor endif x = is not defined range loop format default sort tojson # raw "
    "else node_a.output.text : é \x00"
)
FRAGMENTS = st.sampled_from([*PIECES.split(" "), " ", "\n"])


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_any_text_renders_to_plain_data_or_is_an_expression_error(text):
    before = sys.getrecursionlimit()
    looped = "{% for x in trigger.data.list %}{{ " + text + " }}{% endfor %}"
    for template in (text, "{{ " + text + " }}", looped):
        with contextlib.suppress(ExpressionError):
            assert_plain(render(template, SCOPE))
        with contextlib.suppress(ExpressionError):
            references(template)
            rename(template, "a", "b")
    assert sys.getrecursionlimit() == before


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_text_without_expressions_stays_as_it_is(text):
    if "{{" not in text and "{%" not in text and "{#" not in text:
        assert render(text, SCOPE) == text


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63) + 1, 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_data_passes_through_unchanged(data):
    assert render("{{ trigger }}", {"trigger": data}) == data
    assert isinstance(render("x{{ trigger }}", {"trigger": data}), str)


def assert_plain(value):
    if isinstance(value, list):
        for each in value:
            assert_plain(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            assert isinstance(key, str)
            assert_plain(each)
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)


def test_compiling_runs_nothing():
    compile_template("{{ 9 ** 9 ** 9 }}")
    assert references("{{ 9 ** 9 ** 9 }}{{ trigger.data.x }}")[0].keys == ("data", "x")
