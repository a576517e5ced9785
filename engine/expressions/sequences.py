"""The filters over lists and objects."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from engine.errors import ExpressionError, ExpressionLimitError, MissingPathError
from engine.expressions.limits import MAX_WIDTH, Budget
from engine.expressions.predicates import PREDICATES
from engine.expressions.values import (
    MISSING,
    DryOutput,
    Missing,
    arithmetic,
    is_number,
    items_of,
    lookup,
    to_text,
    type_name,
)


def attribute_of(item: Any, attribute: Any) -> Any:
    """The value under `a.b.0` of an item, or MISSING."""
    keys = [attribute] if not isinstance(attribute, str) else attribute.split(".")
    for key in keys:
        dry = isinstance(item, DryOutput)
        item = lookup(item, int(key) if isinstance(key, str) and key.isdigit() else key)
        if item is MISSING:
            return None if dry else MISSING
    return item


def _getter(attribute: Any, default: Any = MISSING) -> Callable[[Any], Any]:
    if attribute is None:
        return lambda item: item

    def get(item: Any) -> Any:
        value = attribute_of(item, attribute)
        if value is MISSING:
            value = default
        if value is MISSING:
            raise MissingPathError(f"an item has no {attribute!r}", details={"path": str(attribute)})
        return value

    return get


def _sort_key(get: Callable[[Any], Any], case_sensitive: bool = False) -> Callable[[Any], Any]:
    def key(item: Any) -> Any:
        value = get(item)
        return value.lower() if isinstance(value, str) and not case_sensitive else value

    return key


def _hashable(value: Any) -> Any:
    return to_text(value) if isinstance(value, dict | list) else value


def _list(budget: Budget, value: Any) -> list[Any]:
    items = items_of(value)
    budget.grow(len(items))
    return list(items)


def _first(budget: Budget, value: Any) -> Any:
    for item in items_of(value):
        return item
    raise MissingPathError("first: the list is empty", details={"path": "first"})


def _last(budget: Budget, value: Any) -> Any:
    items = items_of(value)
    if not items:
        raise MissingPathError("last: the list is empty", details={"path": "last"})
    return items[-1]


def _reverse(budget: Budget, value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else _list(budget, value)[::-1]


def _sort(
    budget: Budget, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    key = _sort_key(_getter(attribute), case_sensitive)
    return sorted(_list(budget, value), key=key, reverse=bool(reverse))


def _unique(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    key = _sort_key(_getter(attribute), case_sensitive)
    seen: dict[Any, Any] = {}
    for item in _list(budget, value):
        seen.setdefault((type(key(item)), _hashable(key(item))), item)
    return list(seen.values())


def _extreme(choose: Callable[..., Any], name: str) -> Callable[..., Any]:
    def apply(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
        items = items_of(value)
        if not items:
            raise MissingPathError(f"{name}: the list is empty", details={"path": name})
        return choose(items, key=_sort_key(_getter(attribute), case_sensitive))

    return apply


def _sum(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    get = _getter(attribute)
    total = start
    for item in items_of(value):
        number = get(item)
        if not is_number(number):
            raise ExpressionError(f"sum: {type_name(number)} is not a number")
        total = arithmetic("+", total, number)
    return total


def _map(budget: Budget, value: Any, *args: Any, attribute: Any = None, default: Any = MISSING) -> list[Any]:
    items = _list(budget, value)
    if attribute is not None:
        return [_getter(attribute, default)(item) for item in items]
    if not args:
        raise ExpressionError("map: name a filter or an attribute")
    from engine.expressions.filters import FILTERS, apply_filter

    name, *rest = args
    if name not in FILTERS:
        raise ExpressionError(f"map: there is no filter {name!r}")
    return [apply_filter(name, budget, item, rest, {}) for item in items]


def _select(keep: bool, by_attribute: bool) -> Callable[..., list[Any]]:
    def apply(budget: Budget, value: Any, *args: Any) -> list[Any]:
        rest = list(args)
        if by_attribute:
            if not rest:
                raise ExpressionError("name an attribute")
            attribute = rest.pop(0)
        kept = []
        for item in _list(budget, value):
            budget.tick()
            seen = attribute_of(item, attribute) if by_attribute else item
            if _holds(seen, rest) == keep:
                kept.append(item)
        return kept

    return apply


def _holds(value: Any, test: list[Any]) -> bool:
    if not test:
        return value is not MISSING and bool(value)
    name, args = str(test[0]), test[1:]
    if name in ("defined", "undefined"):
        return isinstance(value, Missing) == (name == "undefined")
    if name not in PREDICATES:
        raise ExpressionError(f"there is no test {name!r}")
    return value is not MISSING and bool(PREDICATES[name](value, *args))


def _groupby(budget: Budget, value: Any, attribute: Any, default: Any = MISSING) -> list[Any]:
    get = _getter(attribute, default)
    groups: dict[Any, dict[str, Any]] = {}
    for item in sorted(_list(budget, value), key=_sort_key(get)):
        grouper = get(item)
        group = groups.setdefault(_hashable(grouper), {"grouper": grouper, "list": []})
        group["list"].append(item)
    return list(groups.values())


def _items(budget: Budget, value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise ExpressionError(f"items: {type_name(value)} is not an object")
    budget.grow(3 * len(value))
    return [[key, item] for key, item in value.items()]


def _dictsort(
    budget: Budget, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[Any]:
    if by not in ("key", "value"):
        raise ExpressionError("dictsort: sort by 'key' or 'value'")
    place = 0 if by == "key" else 1
    key = _sort_key(lambda pair: pair[place], case_sensitive)
    return sorted(_items(budget, value), key=key, reverse=bool(reverse))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ExpressionError("the count must be a whole number above 0")
    if value > MAX_WIDTH:
        raise ExpressionLimitError(f"the count may be {MAX_WIDTH} at most")
    return value


def _batch(budget: Budget, value: Any, linecount: Any, fill_with: Any = None) -> list[Any]:
    width = _count(linecount)
    items = _list(budget, value)
    rows = [items[start : start + width] for start in range(0, len(items), width)]
    if rows and fill_with is not None:
        budget.grow(width)
        rows[-1] += [fill_with] * (width - len(rows[-1]))
    return rows


def _slice(budget: Budget, value: Any, slices: Any, fill_with: Any = None) -> list[Any]:
    count = _count(slices)
    items = iter(_list(budget, value))
    budget.grow(count)
    each, extra = divmod(len(items_of(value)), count)
    rows = [list(islice(items, each + (1 if index < extra else 0))) for index in range(count)]
    if fill_with is not None:
        for row in rows[extra:] if extra else []:
            row.append(fill_with)
    return rows


SEQUENCE_FILTERS: dict[str, Callable[..., Any]] = {
    "batch": _batch,
    "dictsort": _dictsort,
    "first": _first,
    "groupby": _groupby,
    "items": _items,
    "last": _last,
    "list": _list,
    "map": _map,
    "max": _extreme(max, "max"),
    "min": _extreme(min, "min"),
    "reject": _select(keep=False, by_attribute=False),
    "rejectattr": _select(keep=False, by_attribute=True),
    "reverse": _reverse,
    "select": _select(keep=True, by_attribute=False),
    "selectattr": _select(keep=True, by_attribute=True),
    "slice": _slice,
    "sort": _sort,
    "sum": _sum,
    "unique": _unique,
}
