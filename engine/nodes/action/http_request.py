import base64
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from engine.context import Context
from engine.errors import (
    InvalidConfigError,
    RequestError,
    RequestRetryableError,
    RequestUnknownError,
    ResponseTooLargeError,
)
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Expr, Json, NodeConfig, NodeOutput, Text, field
from engine.sizes import is_deep

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE = 10 * 1024 * 1024
"""Bytes of a body, decompressed, that a step takes in."""
CONNECT_TIMEOUT = 15.0
EXCERPT = 2000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class HttpRequestConfig(NodeConfig):
    method: Expr[Method] = field("Method", "The HTTP method.", widget="select", default="GET")
    url: Text = field("Address", "Where to send the request.", widget="text", min_length=1)
    headers: Expr[dict[str, Text]] = field("Headers", "Sent with it.", widget="key_value", default={})
    query: Expr[dict[str, Json]] = field(
        "Query", "Added to the address, escaped as needed.", widget="key_value", default={}
    )
    body: Json = field("Body", "Text is sent as it is, everything else as JSON.", widget="json", default=None)
    credential_id: Text | None = field(
        "Credential",
        "Sent along, but only to the hosts that it names, also where the answer redirects.",
        widget="credential",
        default=None,
        verbatim=True,
    )
    fail_on_status: bool = field(
        "Fail on 4xx and 5xx",
        "Off: the run goes on with the answer, whatever its status.",
        widget="switch",
        default=True,
        verbatim=True,
    )


class HttpRequestOutput(NodeOutput):
    status: int
    headers: dict[str, str]
    body: Json


class HttpRequest(NodeKind[HttpRequestConfig]):
    type = "action"
    subtype = "http_request"
    label = "HTTP request"
    help = "Calls another system over HTTP."
    icon = "globe"
    side_effect = True
    timeout_seconds = 300
    Config = HttpRequestConfig
    Output = HttpRequestOutput

    def would(self, config: HttpRequestConfig) -> dict[str, Json]:
        shown = {"method", "url", "headers", "query", "body"}
        if config.credential_id:
            shown.add("credential_id")
        return config.model_dump(mode="json", include=shown)

    async def run(self, config: HttpRequestConfig, context: Context) -> Result:
        import httpx

        stamp = await context.stamp(config.credential_id)
        try:
            async with context.egress.http(stamp) as client:
                request = _request(client, config, context)
                response = await client.send(request, stream=True, follow_redirects=True)
                try:
                    content = await _read(response)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RequestRetryableError(f"{config.url} could not be reached: {_reason(error)}") from error
        except (
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
            httpx.LocalProtocolError,
            httpx.TooManyRedirects,
            httpx.DecodingError,
        ) as error:
            raise RequestError(f"{config.url}: {_reason(error)}") from error
        except httpx.TransportError as error:
            raise RequestUnknownError(f"{config.url} did not answer: {_reason(error)}") from error
        if config.fail_on_status:
            _check_status(response, content)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Result({"status": response.status_code, "headers": headers, "body": _body(response, content)})


def _request(client: "httpx.AsyncClient", config: HttpRequestConfig, context: Context) -> "httpx.Request":
    import httpx

    headers = httpx.Headers()
    try:
        for name, value in config.headers.items():
            headers[name] = value
        if config.method not in SAFE_METHODS and "idempotency-key" not in headers:
            headers["idempotency-key"] = context.idempotency_key
        content: dict[str, Any] = {}
        if isinstance(config.body, str):
            content["content"] = config.body
            headers.setdefault("content-type", "text/plain; charset=utf-8")
        elif config.body is not None:
            form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
            content["data" if form and isinstance(config.body, dict) else "json"] = config.body
        url = httpx.URL(config.url)
        if config.query:
            url = url.copy_merge_params({name: _parameter(value) for name, value in config.query.items()})
        # The step's own timeout bounds the whole; here only what would otherwise hang before a byte is sent.
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT)
        return client.build_request(config.method, url, headers=headers, timeout=timeout, **content)
    except (httpx.InvalidURL, UnicodeError, TypeError, ValueError) as error:
        raise InvalidConfigError(f"This request cannot be sent: {error}") from error


def _parameter(value: Json) -> Any:
    if isinstance(value, list):
        return [_parameter(each) for each in value]
    if isinstance(value, dict):
        raise ValueError("a query parameter is a value or a list, not an object")
    return value


async def _read(response: "httpx.Response") -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_RESPONSE:
            raise ResponseTooLargeError(
                f"The answer of {response.url} is larger than {MAX_RESPONSE // 1024 // 1024} MiB",
                details={"limit_bytes": MAX_RESPONSE},
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _check_status(response: "httpx.Response", content: bytes) -> None:
    status = response.status_code
    if status < 400:
        return
    excerpt = content[:EXCERPT].decode("utf-8", "replace")
    details = {"status": status, "body": excerpt}
    message = f"{response.request.method} {response.url} answered {status} {response.reason_phrase}".rstrip()
    if status == 429:
        raise RequestRetryableError(message, details=details, retry_after=_retry_after(response))
    if status >= 500:
        raise RequestUnknownError(message, details=details, retry_after=_retry_after(response))
    raise RequestError(message, details=details)


def _retry_after(response: "httpx.Response") -> float | None:
    """Seconds; the header may hold these or a date."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _body(response: "httpx.Response", content: bytes) -> Json:
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        import orjson

        try:
            parsed: Json = orjson.loads(content)
        except orjson.JSONDecodeError:
            return content.decode("utf-8", "replace")
        # Nested so deeply that not everybody can read or write it again, it stays text.
        return content.decode("utf-8", "replace") if is_deep(parsed) else parsed
    try:
        return content.decode(response.charset_encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        if kind.startswith("text/"):
            return content.decode("utf-8", "replace")
        return {"base64": base64.b64encode(content).decode()}


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
