"""Hides secrets again in all that a run leaves behind, also where they were encoded or escaped."""

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from engine.ports import EventSink, Iteration

MASK = "••••"
MIN_LENGTH = 4
"""Shorter values would hide half of every text."""
MIN_INSIDE = 6
"""Characters of Base64 from which on a value is looked for in the middle of something longer."""
MOST_ESCAPES = 8
_SLASHES = rf"\\{{1,{MOST_ESCAPES}}}"


class Masker:
    """Knows the values that one run has used. Costs nothing while there are none."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._numbers = False

    def add(self, values: Iterable[str]) -> None:
        new = {value for value in values if len(value.strip()) >= MIN_LENGTH} - self._values
        if not new:
            return
        self._values |= new
        forms = sorted({form for value in self._values for form in _forms(value)}, key=_by_length)
        self._pattern = re.compile("|".join(expression for _, expression in forms))
        self._numbers = any(re.fullmatch(r"-?[0-9.]+(?:[eE][-+]?[0-9]+)?", value) for value in self._values)

    def text(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def settled(self, text: str) -> int:
        """How much of a text that goes on cannot be the beginning of a value."""
        longest = max(map(len, self._values), default=1)
        for start in range(max(0, len(text) - longest + 1), len(text)):
            rest = text[start:]
            if any(value.startswith(rest) for value in self._values):
                return start
        return len(text)

    def hides(self, text: str) -> bool:
        """Whether the text holds one of the values."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def json(self, value: Any) -> Any:
        """JSON-like data without the values, in keys neither. What holds none is returned as it is."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(MASK, value)
        if isinstance(value, dict):
            return {self.json(key): self.json(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(item) for item in value]
        if self._numbers and isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self.hides(json.dumps(value)) else value
        return value


class MaskedEvents:
    """Streamed text without secrets, also where one is cut into pieces.

    What may be the beginning of a secret waits for what follows; the step's output tells the end.
    """

    def __init__(self, inner: EventSink, masker: Masker) -> None:
        self._inner = inner
        self._masker = masker
        self._held: dict[str, str] = {}

    async def token(self, step_id: str, node_id: str, iteration: Iteration, text: str) -> None:
        text = self._masker.text(self._held.pop(step_id, "") + text)
        cut = self._masker.settled(text)
        if cut < len(text):
            self._held[step_id] = text[cut:]
        if cut > 0:
            await self._inner.token(step_id, node_id, iteration, text[:cut])


def _by_length(form: tuple[int, str]) -> tuple[int, str]:
    return -form[0], form[1]


def _forms(value: str) -> list[tuple[int, str]]:
    """Regular expressions for the value, each with the length of what it stands for."""
    found = [(len(value), _written(value))]
    data = value.encode()
    for skipped in range(3):
        # Base64 of the value inside something longer: only the characters that are the value's alone.
        encoded = base64.b64encode(bytes(skipped) + data).decode().rstrip("=")
        first = (skipped * 8 + 5) // 6
        last = (skipped + len(data)) * 8 // 6
        inside = encoded[first:last]
        if len(inside) >= MIN_INSIDE:
            found.append((len(inside), "".join(map(_base64_character, inside)) + _tail(encoded, last)))
        elif skipped == 0:
            found.append((len(encoded), "".join(map(_base64_character, encoded)) + "(?:=|%3[dD]){0,2}"))
    return found


def _tail(encoded: str, last: int) -> str:
    """The character that the value shares with what comes after it, and the padding."""
    return "" if last >= len(encoded) else "[A-Za-z0-9+/_-]?(?:=|%3[dD]){0,2}"


def _base64_character(character: str) -> str:
    if character in "+-":
        return "(?:[+-]|%2[bB])"
    if character in "/_":
        return r"(?:\\?/|_|%2[fF])"
    return character


def _written(value: str) -> str:
    # A run of backslashes is one piece: side by side, repetitions would be tried in every combination.
    return "".join(map(_piece, re.findall(r"\\+|[^\\]", value)))


def _piece(piece: str) -> str:
    """A character as it is, percent-encoded, escaped in JSON (several times over), or in HTML."""
    if piece.isascii() and piece.isalnum():
        return piece
    percent = _any_case(quote(piece, safe="", encoding="utf-8", errors="replace"))
    if piece.startswith("\\"):
        return rf"(?:\\{{{len(piece)},{MOST_ESCAPES * len(piece)}}}|{percent})"
    if piece == "\n":
        return rf"(?:\r?\n|(?:{_SLASHES}r)?{_SLASHES}n|(?:%0[dD])?%0[aA])"
    escaped = json.dumps(piece)[1:-1]
    if escaped.startswith("\\u"):
        escape = "".join(f"{_SLASHES}u{_any_case(code)}" for code in escaped.split("\\u")[1:])
    elif escaped.startswith("\\"):
        escape = _SLASHES + re.escape(escaped[1:])
    else:
        escape = f"{_SLASHES}(?:{re.escape(piece)}|u{_any_case(f'{ord(piece):04x}')})"
    forms = [re.escape(piece), escape, percent, _any_case(f"%{ord(piece):02x}") if piece in "-._~" else ""]
    if piece == '"' or piece in "'<>&":
        forms += [
            re.escape(html.escape(piece)),
            f"&#0{{0,2}}{ord(piece)};",
            f"&#[xX]{_any_case(f'{ord(piece):x}')};",
        ]
    if piece == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(filter(None, forms))})"


def _any_case(text: str) -> str:
    return "".join(
        f"[{each.lower()}{each.upper()}]" if each in "abcdefABCDEF" else re.escape(each) for each in text
    )
