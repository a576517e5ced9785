"""Turns a syntax tree into nested Python functions over plain data.

There is no generated code and no access to Python objects: what the tree may contain is listed here, and
everything else is refused when it is compiled.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from engine.errors import ExpressionError, MissingPathError
from engine.expressions.filters import FILTERS, apply_filter
from engine.expressions.limits import MAX_RANGE, Budget
from engine.expressions.predicates import PREDICATES
from engine.expressions.syntax import CONSTANTS
from engine.expressions.values import (
    MISSING,
    DryOutput,
    Key,
    add,
    arithmetic,
    bounded_text,
    checked_number,
    compare,
    lookup,
    path_text,
    type_name,
)


class Frame:
    """The names that one rendering sees, and what is left of its budget."""

    __slots__ = ("budget", "dry", "names", "scope")

    def __init__(self, scope: Mapping[str, Any], budget: Budget) -> None:
        self.scope = scope
        self.names: dict[str, Any] = {}
        self.budget = budget
        self.dry = False

    def inner(self) -> "Frame":
        frame = Frame(self.scope, self.budget)
        frame.names = dict(self.names)
        frame.dry = self.dry
        return frame

    def resolve(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        value = self.scope.get(name, MISSING)
        if value is MISSING:
            raise missing(name, ())
        return value


Value = Callable[[Frame], Any]
# Escapes in literals can spell what neither JSON nor a database takes as text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def missing(root: str, keys: tuple[Key, ...], why: str = "") -> MissingPathError:
    path = path_text(root, keys)
    if not why and root.startswith("node_") and not keys:
        why = f"node {root.removeprefix('node_')!r} has no output here: it did not run"
    return MissingPathError(f"{path} is not there" + (f" ({why})" if why else ""), details={"path": path})


def path_of(node: nodes.Node) -> tuple[str, tuple[Key, ...]] | None:
    """Root and keys, where the expression is a name followed by fixed keys."""
    keys: list[Key] = []
    while True:
        if isinstance(node, nodes.Getattr):
            keys.append(node.attr)
            node = node.node
        elif (
            isinstance(node, nodes.Getitem)
            and isinstance(node.arg, nodes.Const)
            and type(node.arg.value) in (str, int)
        ):
            keys.append(node.arg.value)
            node = node.node
        elif isinstance(node, nodes.Name):
            return node.name, tuple(reversed(keys))
        else:
            return None


def compile_value(node: nodes.Node) -> Value:
    """The function that an expression comes to."""
    if isinstance(node, nodes.Name) and node.name in CONSTANTS:
        return _always(CONSTANTS[node.name])
    path = path_of(node)
    if path is not None:
        return _path(*path)
    build = _BUILDERS.get(type(node))
    if build is None:
        raise ExpressionError(f"{type(node).__name__} is not part of the expression language")
    return build(node)


def _path(root: str, keys: tuple[Key, ...]) -> Value:
    if not keys:
        return lambda frame: frame.resolve(root)

    def evaluate(frame: Frame) -> Any:
        value = frame.resolve(root)
        dry = False
        for index, key in enumerate(keys):
            dry = dry or isinstance(value, DryOutput)
            found = lookup(value, key)
            if found is MISSING:
                if dry:
                    frame.dry = True
                    return None
                raise missing(root, keys[: index + 1], _why(value, key))
            value = found
        return value

    return evaluate


def _why(value: Any, key: Any) -> str:
    if isinstance(value, dict):
        names = ", ".join(list(value)[:8])
        return f"there is: {names}" if names else "the object is empty"
    if isinstance(value, list) and isinstance(key, int):
        return f"the list has {len(value)} items"
    return f"it is looked up in {type_name(value)}"


def _item(node: nodes.Getattr | nodes.Getitem) -> Value:
    base = compile_value(node.node)
    if isinstance(node, nodes.Getattr):
        attribute = node.attr
        return lambda frame: _found(frame, base(frame), attribute)
    if isinstance(node.arg, nodes.Slice):
        return _slice(base, node.arg)
    key = compile_value(node.arg)
    return lambda frame: _found(frame, base(frame), key(frame))


def _found(frame: Frame, value: Any, key: Any) -> Any:
    found = lookup(value, key)
    if found is MISSING:
        if isinstance(value, DryOutput) or (frame.dry and (value is None or key is None)):
            return None
        raise missing("…", (key if isinstance(key, int) else str(key),), _why(value, key))
    return found


def _slice(base: Value, node: nodes.Slice) -> Value:
    parts = [compile_value(each) if each is not None else None for each in (node.start, node.stop, node.step)]

    def evaluate(frame: Frame) -> Any:
        value = base(frame)
        if not isinstance(value, list | str):
            raise ExpressionError(f"{type_name(value)} has no slices")
        frame.budget.grow(len(value))
        bounds = [part(frame) if part else None for part in parts]
        if any(bound is not None and not isinstance(bound, int) for bound in bounds) or bounds[2] == 0:
            raise ExpressionError("the bounds of a slice are whole numbers")
        return value[slice(*bounds)]

    return evaluate


def _always(value: Any) -> Value:
    return lambda frame: value


def _const(node: nodes.Const) -> Value:
    value = checked_number(node.value)
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise ExpressionError("text may not hold the character NUL or half of a surrogate pair")
    return _always(value)


def _list(node: nodes.List) -> Value:
    items = [compile_value(item) for item in node.items]

    def evaluate(frame: Frame) -> list[Any]:
        frame.budget.grow(len(items))
        return [item(frame) for item in items]

    return evaluate


def _dict(node: nodes.Dict) -> Value:
    pairs = [(compile_value(pair.key), compile_value(pair.value)) for pair in node.items]

    def evaluate(frame: Frame) -> dict[str, Any]:
        frame.budget.grow(len(pairs))
        made = {}
        for key, value in pairs:
            name = key(frame)
            if not isinstance(name, str):
                raise ExpressionError("the keys of an object are text")
            made[name] = value(frame)
        return made

    return evaluate


def _conditional(node: nodes.CondExpr) -> Value:
    test, then = compile_value(node.test), compile_value(node.expr1)
    otherwise = compile_value(node.expr2) if node.expr2 is not None else None
    return lambda frame: then(frame) if test(frame) else (otherwise(frame) if otherwise else None)


def _and(node: nodes.And) -> Value:
    left, right = compile_value(node.left), compile_value(node.right)
    return lambda frame: left(frame) and right(frame)


def _or(node: nodes.Or) -> Value:
    left, right = compile_value(node.left), compile_value(node.right)
    return lambda frame: left(frame) or right(frame)


def _not(node: nodes.Not) -> Value:
    value = compile_value(node.node)
    return lambda frame: not value(frame)


def _sign(node: nodes.UnaryExpr) -> Value:
    value = compile_value(node.node)
    symbol = "-" if isinstance(node, nodes.Neg) else "+"
    return lambda frame: arithmetic(symbol, 0, value(frame))


def _arithmetic(node: nodes.BinExpr) -> Value:
    left, right, symbol = compile_value(node.left), compile_value(node.right), node.operator
    assert symbol is not None
    if symbol == "+":
        return lambda frame: add(left(frame), right(frame), frame.budget)
    return lambda frame: arithmetic(symbol, left(frame), right(frame))


def _concat(node: nodes.Concat) -> Value:
    parts = [compile_value(part) for part in node.nodes]
    return lambda frame: "".join(bounded_text(part(frame), frame.budget) for part in parts)


def _compare(node: nodes.Compare) -> Value:
    first = compile_value(node.expr)
    operands = [(operand.op, compile_value(operand.expr)) for operand in node.ops]

    def evaluate(frame: Frame) -> bool:
        left = first(frame)
        for symbol, operand in operands:
            right = operand(frame)
            if not compare(symbol, left, right):
                return False
            left = right
        return True

    return evaluate


Arguments = tuple[list[Value], dict[str, Value]]


def _arguments(node: nodes.Filter | nodes.Test | nodes.Call) -> Arguments:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise ExpressionError("* and ** before arguments are not part of the expression language")
    named = {str(keyword.key): compile_value(keyword.value) for keyword in node.kwargs}
    return [compile_value(each) for each in node.args], named


def _filter(node: nodes.Filter) -> Value:
    if node.node is None:
        raise ExpressionError("a filter needs a value before it")
    return compile_filter(node, compile_value(node.node))


def compile_filter(node: nodes.Filter, value: Value) -> Value:
    name = node.name
    args, named = _arguments(node)
    if name in ("default", "d"):
        return _default(value, args, named)
    if name not in FILTERS:
        raise ExpressionError(f"there is no filter {name!r}")
    return lambda frame: apply_filter(
        name,
        frame.budget,
        value(frame),
        [each(frame) for each in args],
        {key: each(frame) for key, each in named.items()},
    )


def _default(value: Value, args: list[Value], named: dict[str, Value]) -> Value:
    slots = dict(zip(("default_value", "boolean"), args, strict=False)) | named
    if len(args) > 2 or set(slots) - {"default_value", "boolean"}:
        raise ExpressionError("default takes a value and, optionally, boolean=true")
    fallback: Value = slots.get("default_value", _always(""))
    boolean: Value = slots.get("boolean", _always(False))

    def evaluate(frame: Frame) -> Any:
        try:
            found = value(frame)
        except MissingPathError:
            return fallback(frame)
        return fallback(frame) if not found and boolean(frame) else found

    return evaluate


def _test(node: nodes.Test) -> Value:
    value, name = compile_value(node.node), node.name
    args, named = _arguments(node)
    if named:
        raise ExpressionError(f"the test {name!r} takes no named arguments")
    if name in ("defined", "undefined"):
        return lambda frame: _is_defined(value, frame) == (name == "defined")
    predicate = PREDICATES.get(name)
    if predicate is None:
        raise ExpressionError(f"there is no test {name!r}")

    def evaluate(frame: Frame) -> bool:
        try:
            return predicate(value(frame), *(each(frame) for each in args))
        except (TypeError, ArithmeticError) as error:
            raise ExpressionError(f"is {name}: {error}") from None

    return evaluate


def _is_defined(value: Value, frame: Frame) -> bool:
    try:
        value(frame)
    except MissingPathError:
        return False
    return True


def _range(frame: Frame, *bounds: Any) -> list[int]:
    if not bounds or not all(isinstance(bound, int) for bound in bounds):
        raise ExpressionError("range takes whole numbers")
    try:
        numbers = range(*bounds)
        if len(numbers) <= MAX_RANGE:
            frame.budget.grow(len(numbers))
            return list(numbers)
    except (TypeError, ValueError, OverflowError) as error:
        raise ExpressionError(f"range: {error}") from None
    raise ExpressionError(f"range: {MAX_RANGE} numbers at most")


def _dict_call(frame: Frame, **named: Any) -> dict[str, Any]:
    return named


_FUNCTIONS: dict[str, Callable[..., Any]] = {"range": _range, "dict": _dict_call}


def _call(node: nodes.Call) -> Value:
    if not isinstance(node.node, nodes.Name) or node.node.name not in _FUNCTIONS:
        raise ExpressionError("only range() and dict() can be called; use a filter: value | upper")
    function, name = _FUNCTIONS[node.node.name], node.node.name
    args, named = _arguments(node)

    def evaluate(frame: Frame) -> Any:
        try:
            return function(
                frame, *(each(frame) for each in args), **{key: each(frame) for key, each in named.items()}
            )
        except TypeError as error:
            raise ExpressionError(f"{name}: {error}") from None

    return evaluate


_BUILDERS: dict[type[nodes.Node], Callable[[Any], Value]] = {
    nodes.Const: _const,
    nodes.Getattr: _item,
    nodes.Getitem: _item,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _dict,
    nodes.CondExpr: _conditional,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.Neg: _sign,
    nodes.Pos: _sign,
    **dict.fromkeys(
        (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow), _arithmetic
    ),
    nodes.Concat: _concat,
    nodes.Compare: _compare,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Call: _call,
}
