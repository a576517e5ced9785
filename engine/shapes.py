"""What is known of data before there is any: which fields an object can have, what a list holds.

A shape answers one question: what is under this key? It errs on the side of not knowing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Key = str | int
MOST_ALTERNATIVES = 50
"""So many are told apart; of more nothing is known."""
_NOT_READ = frozenset({"allOf", "if", "not", "dependentSchemas", "patternProperties"})


@dataclass(frozen=True, slots=True)
class Absent:
    """There is nothing under that key, and cannot be; `why` says what there is instead."""

    why: str


class Shape(Protocol):
    def at(self, key: Key) -> "Shape | Absent": ...


@dataclass(frozen=True, slots=True)
class Anything:
    def at(self, key: Key) -> Shape | Absent:
        return self


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, a truth value or null: nothing can be looked up in it."""

    def at(self, key: Key) -> Shape | Absent:
        return Absent("it is a single value")


@dataclass(frozen=True, slots=True)
class Text:
    def at(self, key: Key) -> Shape | Absent:
        return self if isinstance(key, int) else Absent("it is text")


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: Shape

    def at(self, key: Key) -> Shape | Absent:
        return self.item if isinstance(key, int) else Absent("it is a list; take an item of it, like [0]")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object. `others` is what fields hold that are not named; None where there are none."""

    named: Mapping[str, Shape]
    others: Shape | None = None

    def at(self, key: Key) -> Shape | Absent:
        if isinstance(key, str) and key in self.named:
            return self.named[key]
        if isinstance(key, str) and self.others is not None:
            return self.others
        return Absent(f"there is: {', '.join(self.named)}" if self.named else "it has no fields")


@dataclass(frozen=True, slots=True)
class Refined:
    """An object of which more is known of some fields."""

    shape: Shape
    named: Mapping[str, Shape]

    def at(self, key: Key) -> Shape | Absent:
        return self.named[key] if isinstance(key, str) and key in self.named else self.shape.at(key)


@dataclass(frozen=True, slots=True)
class OneOf:
    shapes: Sequence[Shape]

    def at(self, key: Key) -> Shape | Absent:
        found = [shape.at(key) for shape in self.shapes]
        there = [each for each in found if not isinstance(each, Absent)]
        if there:
            return one_of(there)
        whys = dict.fromkeys(each.why for each in found if isinstance(each, Absent))
        return Absent("; or ".join(whys))


@dataclass(frozen=True, slots=True)
class Described:
    """As a JSON Schema says, which is read as far as it is asked. `whole` is where its references point into.

    An object that names its fields is taken to have no others, unless it says that it may.
    """

    schema: Any
    whole: Any

    def at(self, key: Key) -> Shape | Absent:
        return one_of(self._alternatives()).at(key)

    def _alternatives(self) -> list[Shape]:
        found: list[Shape] = []
        todo = [self.schema]
        for _ in range(MOST_ALTERNATIVES):
            if not todo:
                return found
            schema = todo.pop()
            if not isinstance(schema, dict) or schema.keys() & _NOT_READ:
                return [ANYTHING]
            if isinstance(reference := schema.get("$ref"), str):
                todo.append(_pointed(self.whole, reference))
            elif choices := schema.get("anyOf") or schema.get("oneOf"):
                todo += [None] if "properties" in schema else choices
            else:
                types = schema.get("type", _implied(schema))
                found += [
                    self._of_type(each, schema) for each in (types if isinstance(types, list) else [types])
                ]
        return [ANYTHING]

    def _of_type(self, name: Any, schema: dict[str, Any]) -> Shape:
        if name == "object":
            others = schema.get("additionalProperties", "properties" not in schema)
            named = schema.get("properties", {})
            return Fields(
                {field: Described(inner, self.whole) for field, inner in named.items()},
                None if others is False else Described(others, self.whole),
            )
        if name == "array" and "prefixItems" not in schema:
            return Items(Described(schema.get("items"), self.whole))
        if name == "string":
            return TEXT
        return SCALAR if name in ("number", "integer", "boolean", "null") else ANYTHING


ANYTHING = Anything()
SCALAR = Scalar()
TEXT = Text()
FAILURE = Fields({"error": Fields({"code": TEXT, "message": TEXT})})
"""The output of a step whose failure the flow goes on from."""


def described(schema: Any) -> Shape:
    return Described(schema, schema)


def one_of(shapes: Iterable[Shape]) -> Shape:
    flat: list[Shape] = []
    for shape in shapes:
        flat += shape.shapes if isinstance(shape, OneOf) else [shape]
    if not flat or len(flat) > MOST_ALTERNATIVES or ANYTHING in flat:
        return ANYTHING
    return flat[0] if len(flat) == 1 else OneOf(flat)


def under(shape: Shape, keys: Sequence[Key]) -> tuple[Shape | Absent, Sequence[Key]]:
    """What lies at the end of the keys, or what ends the way there, with the keys that were followed."""
    found: Shape | Absent = shape
    for count, key in enumerate(keys, 1):
        if isinstance(found, Absent):
            return found, keys[: count - 1]
        found = found.at(key)
    return found, keys


def _implied(schema: dict[str, Any]) -> str | None:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else None


def _pointed(whole: Any, reference: str) -> Any:
    """What `#/$defs/name` points to; None where that is nowhere."""
    found = whole
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if reference.startswith("#") else None
