"""OpenAI's chat completions, which many other servers speak too."""

from collections.abc import Iterator
from typing import Any

from tests.model_server.reply import Asked, Reply, Tool
from tests.model_server.sse import DONE, event

FINISH = {"stop": "stop", "tool": "tool_calls", "length": "length", "refusal": "content_filter"}


def asked(body: dict[str, Any]) -> Asked:
    tools = [Tool(each["function"]["name"], each["function"]["parameters"]) for each in body.get("tools", [])]
    form = body.get("response_format") or {}
    streams = bool(body.get("stream"))
    return Asked(
        model=body["model"],
        texts=[_text(message.get("content")) for message in body["messages"]],
        stream=streams,
        tool=tools[0] if tools else None,
        schema=form.get("json_schema", {}).get("schema"),
        include_usage=not streams or bool((body.get("stream_options") or {}).get("include_usage")),
    )


def whole(reply: Reply, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.finish == "refusal":
        message["content"], message["refusal"] = None, reply.text
    if reply.tool:
        function = {"name": reply.tool, "arguments": reply.arguments}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": FINISH[reply.finish], "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [] if reply.empty else [choice],
        **({"usage": _usage(reply)} if reply.usage else {}),
    }


def stream(reply: Reply, model: str) -> Iterator[str]:
    if not reply.empty:
        yield event(_chunk(model, {"role": "assistant", "content": ""}))
        for index, piece in enumerate(reply.pieces):
            if reply.tool:
                function = {"name": reply.tool if index == 0 else None, "arguments": piece}
                call = {"index": 0, "id": "call_1" if index == 0 else None, "type": "function"}
                yield event(_chunk(model, {"tool_calls": [{**call, "function": function}]}))
            elif reply.finish == "refusal":
                yield event(_chunk(model, {"refusal": piece}))
            else:
                yield event(_chunk(model, {"content": piece}))
        yield event(_chunk(model, {}, FINISH[reply.finish]))
    if reply.usage:
        yield event({**_chunk(model, {}), "choices": [], "usage": _usage(reply)})
    yield DONE


def error(status: int, code: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": code, "param": None, "code": code}}


def stream_error() -> str:
    return event(error(500, "server_error", "The server had an error while answering"))


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""
