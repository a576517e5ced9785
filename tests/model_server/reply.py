"""What the server answers, before it is put into a provider's format."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

PIECE = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the terms that all formats share. `tool` is the one that must be called, if any."""

    model: str
    texts: list[str]
    stream: bool
    tool: Tool | None = None
    schema: dict[str, Any] | None = None
    include_usage: bool = True

    @property
    def prompt(self) -> str:
        return self.texts[-1] if self.texts else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Either `text` or a call of `tool` with `arguments` (JSON text). Counts are words."""

    text: str | None
    tool: str | None = None
    arguments: str | None = None
    finish: str = "stop"
    input_tokens: int = 0
    cached_tokens: int = 0
    usage: bool = True
    empty: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def output_tokens(self) -> int:
        return len(self.pieces)


def reply_to(asked: Asked, answer: str) -> Reply:
    """Text repeats the prompt; data is the first option, or the one that the prompt mentions."""
    sent = sum(len(text.split()) for text in asked.texts)
    schema = asked.tool.schema if asked.tool else asked.schema
    text: str | None = None
    arguments: str | None = None
    finish = "stop"
    if schema is not None:
        data = _value(schema, asked.prompt)
        if answer == "bad-label":
            data["label"] = "no such label"
        if answer == "bad-confidence":
            data["confidence"] = 7
        written = json.dumps(data)
        if answer in ("broken-json", "cut-data"):
            written = written[: len(written) // 2]
        if answer in ("deep-json", "deep-text"):
            written = '{"label": ' + "[" * 3000 + "]" * 3000 + "}"
        if asked.tool is not None and answer not in ("text-json", "deep-text"):
            arguments, finish = written, "tool"
        else:
            text = written
    else:
        text = f"You said: {asked.prompt}"
    if answer in ("empty", "blank"):
        text, arguments, finish = "", None, "stop"
    if answer == "refusal":
        text, arguments, finish = "I cannot help with that.", None, "refusal"
    if answer in ("length", "cut-data"):
        finish = "length"
    pieces = PIECE.findall(text if text is not None else arguments or "")
    return Reply(
        text=text if arguments is None else None,
        tool=asked.tool.name if asked.tool and arguments is not None else None,
        arguments=arguments,
        finish=finish,
        input_tokens=sent,
        cached_tokens=sent // 2 if answer == "cached" else 0,
        usage=answer != "no-usage" and asked.include_usage,
        empty=answer == "empty",
        pieces=pieces,
    )


def _value(schema: dict[str, Any], prompt: str) -> Any:
    if "enum" in schema:
        options = schema["enum"]
        return next((each for each in options if str(each).lower() in prompt.lower()), options[0])
    if schema.get("type") == "object":
        return {name: _value(each, prompt) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [_value(schema.get("items", {}), prompt)]
    return {"number": 0.9, "integer": 1, "boolean": True}.get(schema.get("type", "string"), prompt)
