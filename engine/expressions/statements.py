"""The statements of a template: text, {% if %}, {% for %}, {% set %}, {% with %}, {% filter %}."""

from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import nodes

from engine.errors import ExpressionError
from engine.expressions.compiler import Frame, Value, compile_filter, compile_value
from engine.expressions.values import bounded_text, items_of

Statement = Callable[[Frame, list[str]], None]


def compile_body(body: Sequence[nodes.Node]) -> Statement:
    statements = [_compile(node) for node in body]

    def run(frame: Frame, out: list[str]) -> None:
        for statement in statements:
            statement(frame, out)

    return run


def _compile(node: nodes.Node) -> Statement:
    build = _BUILDERS.get(type(node))
    if build is None:
        raise ExpressionError(f"{{% {type(node).__name__.lower()} %}} is not part of the expression language")
    return build(node)


def _output(node: nodes.Output) -> Statement:
    parts: list[str | Value] = [
        part.data if isinstance(part, nodes.TemplateData) else compile_value(part) for part in node.nodes
    ]

    def run(frame: Frame, out: list[str]) -> None:
        for part in parts:
            if isinstance(part, str):
                frame.budget.grow(len(part))
                out.append(part)
            else:
                out.append(bounded_text(part(frame), frame.budget))

    return run


def _if(node: nodes.If) -> Statement:
    branches = [(compile_value(branch.test), compile_body(branch.body)) for branch in (node, *node.elif_)]
    otherwise = compile_body(node.else_)

    def run(frame: Frame, out: list[str]) -> None:
        for test, body in branches:
            if test(frame):
                return body(frame, out)
        return otherwise(frame, out)

    return run


def _targets(node: nodes.Node) -> Callable[[Frame, Any], None]:
    if isinstance(node, nodes.Name):
        name = node.name
        return lambda frame, value: frame.names.__setitem__(name, value)
    if isinstance(node, nodes.Tuple) and all(isinstance(item, nodes.Name) for item in node.items):
        names = [item.name for item in node.items if isinstance(item, nodes.Name)]

        def assign(frame: Frame, value: Any) -> None:
            if not isinstance(value, list) or len(value) != len(names):
                raise ExpressionError(f"there are not {len(names)} values for {', '.join(names)}")
            frame.names.update(zip(names, value, strict=True))

        return assign
    raise ExpressionError("values can be given to names only")


def _for(node: nodes.For) -> Statement:
    if node.recursive:
        raise ExpressionError("recursive loops are not part of the expression language")
    assign, sequence = _targets(node.target), compile_value(node.iter)
    test = compile_value(node.test) if node.test is not None else None
    body, otherwise = compile_body(node.body), compile_body(node.else_)

    def run(frame: Frame, out: list[str]) -> None:
        items = items_of(sequence(frame))
        if test is not None:
            items = [item for item in items if _passes(frame, item)]
        for index, item in enumerate(items):
            frame.budget.tick()
            inner = frame.inner()
            inner.names["loop"] = _loop(items, index)
            assign(inner, item)
            body(inner, out)
        if not items:
            otherwise(frame, out)

    def _passes(frame: Frame, item: Any) -> bool:
        assert test is not None
        frame.budget.tick()
        inner = frame.inner()
        assign(inner, item)
        return bool(test(inner))

    return run


def _loop(items: list[Any], index: int) -> dict[str, Any]:
    length = len(items)
    loop = {
        "index": index + 1,
        "index0": index,
        "revindex": length - index,
        "revindex0": length - index - 1,
        "first": index == 0,
        "last": index == length - 1,
        "length": length,
    }
    if index > 0:
        loop["previtem"] = items[index - 1]
    if index + 1 < length:
        loop["nextitem"] = items[index + 1]
    return loop


def _assign(node: nodes.Assign) -> Statement:
    assign, value = _targets(node.target), compile_value(node.node)
    return lambda frame, out: assign(frame, value(frame))


def _assign_block(node: nodes.AssignBlock) -> Statement:
    assign, body = _targets(node.target), _captured(node.body, node.filter)
    return lambda frame, out: assign(frame, body(frame))


def _filter_block(node: nodes.FilterBlock) -> Statement:
    body = _captured(node.body, node.filter)
    return lambda frame, out: out.append(bounded_text(body(frame), frame.budget))


def _captured(body: Sequence[nodes.Node], filter_: nodes.Filter | None) -> Value:
    run = compile_body(body)

    def capture(frame: Frame) -> str:
        out: list[str] = []
        run(frame.inner(), out)
        return "".join(out)

    chain: list[nodes.Filter] = []
    while filter_ is not None:
        chain.append(filter_)
        filter_ = filter_.node if isinstance(filter_.node, nodes.Filter) else None
    value: Value = capture
    for each in reversed(chain):
        value = compile_filter(each, value)
    return value


def _with(node: nodes.With) -> Statement:
    values = [
        (_targets(target), compile_value(value))
        for target, value in zip(node.targets, node.values, strict=True)
    ]
    body = compile_body(node.body)

    def run(frame: Frame, out: list[str]) -> None:
        inner = frame.inner()
        for assign, value in values:
            assign(inner, value(frame))
        body(inner, out)

    return run


def _scope(node: nodes.Scope) -> Statement:
    body = compile_body(node.body)
    return lambda frame, out: body(frame.inner(), out)


_BUILDERS: dict[type[nodes.Node], Callable[[Any], Statement]] = {
    nodes.Output: _output,
    nodes.If: _if,
    nodes.For: _for,
    nodes.Assign: _assign,
    nodes.AssignBlock: _assign_block,
    nodes.FilterBlock: _filter_block,
    nodes.With: _with,
    nodes.Scope: _scope,
}
