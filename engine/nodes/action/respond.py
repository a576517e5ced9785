import re
from http import HTTPStatus
from typing import Annotated

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import Expr, NodeConfig, NodeOutput, Text, field, is_draft

Status = Annotated[int, Field(ge=200, le=599)]
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MAX_HEADER = 4096
OURS = frozenset(
    {
        # Between two hops, or said by the server itself.
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # The answer comes from the address of the whole installation: it sets nothing for all of it.
        "clear-site-data",
        "content-security-policy",
        "cross-origin-opener-policy",
        "permissions-policy",
        "referrer-policy",
        "service-worker-allowed",
        "set-cookie",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-request-id",
    }
)
"""Headers that an answer cannot set, in lower case."""


class RespondConfig(NodeConfig):
    status: Expr[Status] = field("Status", "The HTTP status.", widget="number", default=int(HTTPStatus.OK))
    headers: Expr[dict[str, Text]] = field(
        "Headers", "Sent with the answer, like Content-Type.", widget="key_value", default={}
    )
    body: JsonValue = field(
        "Body", "Text is sent as it is, everything else as JSON.", widget="json", default=None
    )

    @field_validator("headers")
    @classmethod
    def _allowed(cls, headers: dict[str, str] | str, info: ValidationInfo) -> dict[str, str] | str:
        if isinstance(headers, str):
            return headers
        for name, value in headers.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name[:100]!r} is no name of a header")
            if name.lower() in OURS:
                raise ValueError(f"{name} cannot be set by an answer; leave it out")
            if is_draft(info):
                continue
            if _CONTROL.search(value) or len(value) > MAX_HEADER or not value.isascii():
                raise ValueError(f"{name} must be one line of at most {MAX_HEADER} plain characters")
        return headers


class RespondOutput(NodeOutput):
    status: int
    headers: dict[str, str]
    body: JsonValue


class Respond(NodeKind[RespondConfig]):
    type = "action"
    subtype = "respond"
    label = "Respond"
    help = "Says what the run answers: to its webhook's caller, and as its output."
    icon = "reply"
    instant = True
    answers = True
    Config = RespondConfig
    Output = RespondOutput

    async def run(self, config: RespondConfig, context: Context) -> Result:
        return Result({"status": config.status, "headers": config.headers, "body": config.body})
