"""What a respond node says, as an HTTP answer."""

from typing import Any

from fastapi import Response

from agentflow_app.core.serialization import dumps

# What it says comes from the same address as the app: whatever it is, it is shown without any rights there.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
_WITHOUT_BODY = frozenset({204, 205, 304})


def answer_of(said: dict[str, Any]) -> Response:
    """`said` is the node's output: `{status, headers, body}`. Text is sent as it is, all else as JSON."""
    body, headers = said.get("body"), dict(said.get("headers") or {})
    named = {name.lower() for name in headers}
    if isinstance(body, str):
        content, kind = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    else:
        content, kind = dumps(body).encode(), "application/json"
    status = int(said["status"])
    if status in _WITHOUT_BODY:
        content = b""
    elif "content-type" not in named:
        headers["Content-Type"] = kind
    return Response(content, status, headers={**headers, "Content-Security-Policy": _POLICY})
