"""Anthropic's messages."""

from collections.abc import Iterator
from typing import Any

from tests.model_server.reply import Asked, Reply, Tool
from tests.model_server.sse import event

FINISH = {"stop": "end_turn", "tool": "tool_use", "length": "max_tokens", "refusal": "refusal"}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def asked(body: dict[str, Any]) -> Asked:
    tools = [Tool(each["name"], each["input_schema"]) for each in body.get("tools", [])]
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return Asked(
        model=body["model"],
        texts=[_text(body.get("system")), *(_text(message["content"]) for message in body["messages"])],
        stream=bool(body.get("stream")),
        tool=tools[0] if tools else None,
        schema=form.get("schema"),
    )


def whole(reply: Reply, model: str) -> dict[str, Any]:
    import json

    content: list[dict[str, Any]] = []
    if reply.tool:
        try:
            data = json.loads(reply.arguments or "")
        except ValueError:
            data = {"unfinished": reply.arguments}
        content = [{"type": "tool_use", "id": "toolu_1", "name": reply.tool, "input": data}]
    elif not reply.empty:
        content = [{"type": "text", "text": reply.text}]
    return {
        **_head(model),
        "content": content,
        "stop_reason": FINISH[reply.finish],
        "usage": {**_input(reply), "output_tokens": reply.output_tokens},
    }


def stream(reply: Reply, model: str) -> Iterator[str]:
    message = {
        **_head(model),
        "content": [],
        "stop_reason": None,
        "usage": {**_input(reply), "output_tokens": 1},
    }
    yield event({"type": "message_start", "message": message}, "message_start")
    if not reply.empty:
        block: dict[str, Any] = {"type": "text", "text": ""}
        if reply.tool:
            block = {"type": "tool_use", "id": "toolu_1", "name": reply.tool, "input": {}}
        start = {"type": "content_block_start", "index": 0, "content_block": block}
        yield event(start, "content_block_start")
        yield event({"type": "ping"}, "ping")
        for piece in reply.pieces:
            delta = {"type": "text_delta", "text": piece}
            if reply.tool:
                delta = {"type": "input_json_delta", "partial_json": piece}
            yield event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        yield event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    delta = {"stop_reason": FINISH[reply.finish], "stop_sequence": None}
    usage = {"output_tokens": reply.output_tokens}
    yield event({"type": "message_delta", "delta": delta, "usage": usage}, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


def error(status: int, code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, code), "message": message}}


def stream_error() -> str:
    return event(error(529, "overloaded_error", "Overloaded"), "error")


def _head(model: str) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_sequence": None}


def _input(reply: Reply) -> dict[str, int]:
    # Here cached tokens stand beside the others, not among them.
    return {
        "input_tokens": reply.input_tokens - reply.cached_tokens,
        "cache_read_input_tokens": reply.cached_tokens,
        "cache_creation_input_tokens": 0,
    }


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(_text(part.get("text", part.get("content"))) for part in content)
    return content or ""
