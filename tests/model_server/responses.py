"""OpenAI's responses, which its own newest models speak."""

from collections.abc import Iterator
from typing import Any

from tests.model_server.reply import Asked, Reply, Tool
from tests.model_server.sse import event


def asked(body: dict[str, Any]) -> Asked:
    tools = [Tool(each["name"], each["parameters"]) for each in body.get("tools", []) if "parameters" in each]
    given = body["input"] if isinstance(body["input"], list) else [{"content": body["input"]}]
    form = (body.get("text") or {}).get("format") or {}
    return Asked(
        model=body["model"],
        texts=[
            body.get("instructions") or "",
            *(_text(item.get("content", item.get("output"))) for item in given),
        ],
        stream=bool(body.get("stream")),
        tool=tools[0] if tools else None,
        schema=form.get("schema"),
    )


def whole(reply: Reply, model: str) -> dict[str, Any]:
    cut = reply.finish == "length"
    return {
        **_head(model),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [] if reply.empty else [_item(reply)],
        **({"usage": _usage(reply)} if reply.usage else {}),
    }


def stream(reply: Reply, model: str) -> Iterator[str]:
    number = iter(range(10_000))

    def numbered(kind: str, **more: Any) -> str:
        return event({"type": kind, "sequence_number": next(number), **more}, kind)

    started = {**_head(model), "status": "in_progress", "output": []}
    yield numbered("response.created", response=started)
    yield numbered("response.in_progress", response=started)
    if not reply.empty:
        item = _item(reply)
        place = {"output_index": 0, "item_id": item["id"]}
        if reply.tool:
            yield numbered("response.output_item.added", output_index=0, item={**item, "arguments": ""})
            for piece in reply.pieces:
                yield numbered("response.function_call_arguments.delta", **place, delta=piece)
            done = {"arguments": reply.arguments, "name": reply.tool}
            yield numbered("response.function_call_arguments.done", **place, **done)
        else:
            yield numbered("response.output_item.added", output_index=0, item={**item, "content": []})
            inside = {**place, "content_index": 0}
            part = item["content"][0]
            empty = {**part, "text": ""} if part["type"] == "output_text" else {**part, "refusal": ""}
            yield numbered("response.content_part.added", **inside, part=empty)
            kind = "response.output_text" if part["type"] == "output_text" else "response.refusal"
            for piece in reply.pieces:
                yield numbered(f"{kind}.delta", **inside, delta=piece, logprobs=[])
            text = {"text": reply.text} if part["type"] == "output_text" else {"refusal": reply.text}
            yield numbered(f"{kind}.done", **inside, **text, logprobs=[])
            yield numbered("response.content_part.done", **inside, part=part)
        yield numbered("response.output_item.done", output_index=0, item=item)
    ended = whole(reply, model)
    yield numbered(f"response.{ended['status']}", response=ended)


def error(status: int, code: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": code, "param": None, "code": code}}


def stream_error() -> str:
    data = {"type": "error", "code": "server_error", "message": "The server had an error", "param": None}
    return event({**data, "sequence_number": 99}, "error")


def _head(model: str) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": model,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
    }


def _item(reply: Reply) -> dict[str, Any]:
    if reply.tool:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        return {**call, "name": reply.tool, "arguments": reply.arguments}
    content: dict[str, Any] = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    if reply.finish == "refusal":
        content = {"type": "refusal", "refusal": reply.text}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": reply.cached_tokens},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""
