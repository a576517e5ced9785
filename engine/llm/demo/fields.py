"""Values for a JSON Schema, found in a text by patterns: addresses, numbers, dates, `name: value` lines."""

import re
from collections.abc import Mapping
from typing import Any

from engine.llm.demo.labels import Label, best_label
from engine.llm.demo.text import key_sentences, sentences, shortened, stem, words

DEEPEST = 5
LONGEST_VALUE = 300

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(r"https?://[^\s<>\"')\]]*[\w/]")
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b|\b(\d{1,2})[./](\d{1,2})[./](\d{4})\b")
_PHONE = re.compile(r"\+?\d[\d\s()/-]{6,}\d")
_NUMBER = re.compile(r"(?<![\w.@-])-?\d+(?:[,'\u202f]\d{3})*(?:\.\d+)?(?=\s*([kKmM])\b|\b)")
_MULTIPLES = {"k": 1_000, "m": 1_000_000}
_NAME = re.compile(
    r"(?:\b(?:[Mm]y name is|I am|I'm|[Tt]his is)|(?:[Rr]egards|[Bb]est|[Cc]heers|[Tt]hanks),?\s*\n?)"
    r"\s+([A-Z][\w'\u2019-]+(?:\s+[A-Z][\w'\u2019-]+){0,2})"
)
_COMPANY = re.compile(
    r"\b(?:at|from|with|for)\s+([A-Z](?:[\w&'\u2019-]|\.\w)*(?:\s+[A-Z](?:[\w&'\u2019-]|\.\w)*){0,3})"
)
_NO = frozenset({"no", "not", "never", "without", "false", "none"})


def filled(
    schema: Mapping[str, Any],
    text: str,
    *,
    name: str = "",
    root: Mapping[str, Any] | None = None,
    depth: int = 0,
) -> Any:
    """A value of the schema's type; what the text does not hold is null, or empty where null may not be.

    `root` is the schema that references point into. What lies deeper than a few levels stays empty.
    """
    root = schema if root is None else root
    schema = _chosen(schema, root)
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((each for each in _listed(kinds) if each != "null"), "string")
    hints = f"{name.replace('_', ' ')} {schema.get('title', '')} {schema.get('description', '')}"
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return _option(schema["enum"], text)
    if kind == "object":
        properties = schema.get("properties", {}) if depth < DEEPEST else {}
        return {
            key: filled(value, text, name=key, root=root, depth=depth + 1)
            for key, value in properties.items()
        }
    if kind == "array":
        return _items(schema, text, name, root, depth) if depth < DEEPEST else []
    if kind in ("number", "integer"):
        found = _number(text, hints)
        value: Any = int(found) if found is not None and kind == "integer" else found
    elif kind == "boolean":
        value = _holds(text, hints)
    else:
        value = _string(text, name, hints, str(schema.get("format", "")))
    if value is None and "null" not in _listed(kinds) and schema.get("nullable") is not True:
        return {"number": 0, "integer": 0, "boolean": False}.get(kind, "")
    return value


def _chosen(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that counts: what a reference points to, and the first option that is not null."""
    for _ in range(DEEPEST):
        place = schema.get("$ref")
        if not isinstance(place, str):
            break
        target: Any = root
        for part in place.removeprefix("#").strip("/").split("/"):
            target = target.get(part, {}) if part and isinstance(target, Mapping) else target
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    for several in ("anyOf", "oneOf"):
        options = [each for each in schema.get(several, []) if each.get("type") != "null"]
        if options:
            nullable = len(options) < len(schema[several])
            chosen = {**schema, several: [], **options[0], "nullable": nullable}
            return _chosen(chosen, root) if "$ref" in chosen else chosen
    return schema


def _listed(kinds: Any) -> list[str]:
    return list(kinds) if isinstance(kinds, list) else [kinds]


def _option(options: list[Any], text: str) -> Any:
    named = [each for each in options if each is not None]
    verdict = best_label(text, [Label(str(each)) for each in named])
    return next(each for each in named if str(each) == verdict.label)


def _string(text: str, name: str, hints: str, form: str) -> str | None:
    hint = set(words(hints))
    if form == "email" or hint & {"email", "mail", "e-mail"}:
        return _first(_EMAIL, text)
    if form in ("uri", "url") or hint & {"url", "link", "website", "homepage"}:
        return _first(_LINK, text)
    if form == "date" or "date" in hint:
        return _date(text)
    if hint & {"phone", "telephone", "mobile", "fax"}:
        return _first(_PHONE, _DATE.sub(" ", text))
    labelled = _labelled(text, name)
    if labelled is not None:
        return labelled
    if hint & {"company", "organization", "organisation", "employer", "firm"}:
        return _group(_COMPANY, text)
    if "name" in hint:
        return _group(_NAME, text)
    if hint & {"summary", "description", "text", "message", "reason", "topic", "subject", "title"}:
        best = key_sentences(text, 1)
        return shortened(best[0], LONGEST_VALUE) if best else None
    return None


def _labelled(text: str, name: str) -> str | None:
    """What stands behind `name:` or `name =` on a line."""
    if not name:
        return None
    key = re.escape(name).replace("_", r"[ _-]")
    found = re.search(rf"(?im)^\W*{key}\s*[:=]\s*(\S.*)$", text)
    return shortened(found[1].strip(), LONGEST_VALUE) if found else None


def _date(text: str) -> str | None:
    """ISO 8601; `31.12.2026` and `12/31/2026` are read as what they can be, day first if both."""
    for year, month, day, first, second, late_year in _DATE.findall(text):
        if year:
            return f"{year}-{month}-{day}"
        one, two = int(first), int(second)
        date_month, date_day = (two, one) if two <= 12 else (one, two)
        if date_month <= 12 and date_day <= 31:
            return f"{late_year}-{date_month:02}-{date_day:02}"
    return None


def _number(text: str, hints: str) -> float | int | None:
    """The number nearest to a word of the field's name or description; without one, the first."""
    plain = _DATE.sub(lambda found: " " * len(found[0]), text)
    found = [(match.start(), _value(match)) for match in _NUMBER.finditer(plain)]
    if not found:
        return None
    roots = {stem(word) for word in words(hints)}
    marks = [match.start() for match in re.finditer(r"[^\W_]+", plain) if stem(match[0].lower()) in roots]
    if not marks:
        return found[0][1]
    return min(found, key=lambda each: min(abs(each[0] - mark) for mark in marks))[1]


def _value(match: "re.Match[str]") -> float | int:
    digits = re.sub(r"[,'\u202f]", "", match[0])
    number = float(digits) if "." in digits else int(digits)
    scaled = number * _MULTIPLES.get((match[1] or "").lower(), 1)
    return int(scaled) if float(scaled).is_integer() else scaled


def _holds(text: str, hints: str) -> bool | None:
    """True where a sentence speaks of it, False where one denies it."""
    roots = {stem(word) for word in words(hints) if len(word) > 2}
    for sentence in sentences(text):
        present = words(sentence)
        if roots & {stem(word) for word in present}:
            return not (_NO & set(present) or any(word.endswith("n't") for word in present))
    return None


def _items(schema: Mapping[str, Any], text: str, name: str, root: Mapping[str, Any], depth: int) -> list[Any]:
    items = _chosen(schema.get("items") or {"type": "string"}, root)
    most = int(schema.get("maxItems", 20))
    if "enum" in items:
        present = {stem(word) for word in words(text)}
        return [each for each in items["enum"] if {stem(word) for word in words(str(each))} <= present][:most]
    if items.get("type") in ("number", "integer"):
        return [_value(match) for match in _NUMBER.finditer(_DATE.sub(" ", text))][:most]
    if items.get("type") == "object":
        parts = sentences(text)[:most]
        return [filled(items, part, name=name, root=root, depth=depth + 1) for part in parts]
    hint = set(words(f"{name.replace('_', ' ')} {schema.get('description', '')} {items.get('format', '')}"))
    if {stem(word) for word in hint} & {"email", "mail"}:
        found = _EMAIL.findall(text)
    elif {stem(word) for word in hint} & {stem("url"), stem("link"), "uri"}:
        found = _LINK.findall(text)
    else:
        found = key_sentences(text, 5)
    return list(dict.fromkeys(found))[:most]


def _first(pattern: "re.Pattern[str]", text: str) -> str | None:
    found = pattern.search(text)
    return found[0] if found else None


def _group(pattern: "re.Pattern[str]", text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
