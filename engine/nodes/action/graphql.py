from typing import Any

from pydantic import JsonValue

from engine.context import Context
from engine.errors import RequestError, RequestRetryableError, RequestUnknownError
from engine.nodes.action.http_request import EXCERPT, HttpRequest, HttpRequestConfig
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, Text, field

ACCEPT = "application/graphql-response+json, application/json;q=0.9"
_http = HttpRequest()


class GraphqlConfig(NodeConfig):
    url: Text = field("Address", "Of the GraphQL endpoint.", widget="text", min_length=1)
    query: Text = field(
        "Query",
        "A query or a mutation. Put values into the variables, not in here.",
        widget="code",
        min_length=1,
    )
    variables: Expr[dict[str, JsonValue]] = field(
        "Variables", "What the query names with $.", widget="key_value", default={}
    )
    headers: Expr[dict[str, Text]] = field("Headers", "Sent with it.", widget="key_value", default={})
    credential_id: Text | None = field(
        "Credential",
        "Sent along, but only to the hosts that it names, also where the answer redirects.",
        widget="credential",
        default=None,
        verbatim=True,
    )


class GraphqlOutput(NodeOutput):
    """`errors` is what the endpoint says, empty where all went well; `data` may be there beside them."""

    data: JsonValue
    errors: list[JsonValue]


class Graphql(NodeKind[GraphqlConfig]):
    type = "action"
    subtype = "graphql"
    label = "GraphQL"
    help = "Asks a GraphQL endpoint, or changes something there."
    icon = "share-2"
    side_effect = True
    timeout_seconds = 300
    Config = GraphqlConfig
    Output = GraphqlOutput

    async def run(self, config: GraphqlConfig, context: Context) -> Result:
        asked = {"query": config.query, "variables": config.variables}
        request = HttpRequestConfig(
            method="POST",
            url=config.url,
            headers={**_missing(config.headers), **config.headers},
            body=asked,
            credential_id=config.credential_id,
            fail_on_status=False,
        )
        answered = (await _http.run(request, context)).output
        return Result(_read(config.url, answered["status"], answered["headers"], answered["body"]))


def _missing(headers: dict[str, str]) -> dict[str, str]:
    return {} if "accept" in {name.lower() for name in headers} else {"Accept": ACCEPT}


def _read(url: str, status: int, headers: dict[str, str], body: Any) -> dict[str, Any]:
    """`{data, errors}`. Raises a RequestError for what is no answer of GraphQL's, or one for later."""
    if status == 429 or status >= 500:
        wait = headers.get("retry-after", "").strip()
        seconds = float(wait) if wait.isdigit() else None
        kind = RequestRetryableError if status == 429 else RequestUnknownError
        raise kind(f"{url} answered {status}", details=_details(status, body), retry_after=seconds)
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list) and errors:
        return {"data": body.get("data"), "errors": errors}
    if status >= 400 or not isinstance(body, dict) or "data" not in body:
        raise RequestError(f"{url} did not answer as GraphQL does ({status})", details=_details(status, body))
    return {"data": body["data"], "errors": []}


def _details(status: int, body: Any) -> dict[str, Any]:
    return {"status": status, "body": str(body)[:EXCERPT]}
