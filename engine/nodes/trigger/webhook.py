import re
from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue, field_validator

from engine.context import Context
from engine.nodes.base import NodeKind, Result
from engine.nodes.fields import NodeConfig, NodeOutput, field
from engine.problems import KnownNames, Problem

_SECRET = re.compile(r"\{\{\s*secrets\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class WebhookConfig(NodeConfig):
    signature: Literal["none", "hmac_sha256", "standard_webhooks", "stripe", "github", "slack"] = field(
        "Signature",
        "How the caller signs what it sends; calls without a right signature are refused.",
        widget="select",
        default="none",
        verbatim=True,
    )
    # Verbatim: the host checks the signature before a run begins, and no run needs to see the secret.
    secret: str | None = field(
        "Signing secret",
        "What the caller signs with, as `{{ secrets.NAME }}`.",
        widget="secret",
        default=None,
        verbatim=True,
    )
    response: Literal["immediate", "when_finished", "respond_node"] = field(
        "Answer",
        "What the caller gets: an id at once, the output at the end, or what a respond node says.",
        widget="select",
        default="immediate",
        verbatim=True,
    )

    @field_validator("secret")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and value.strip() and not _SECRET.fullmatch(value.strip()):
            raise ValueError("name a secret, like {{ secrets.NAME }}; it is kept in the settings, never here")
        return value

    @property
    def secret_name(self) -> str | None:
        found = _SECRET.fullmatch((self.secret or "").strip())
        return found[1] if found else None


class WebhookOutput(NodeOutput):
    data: JsonValue = None


class Webhook(NodeKind[WebhookConfig]):
    type = "trigger"
    subtype = "webhook"
    label = "Webhook"
    help = "Starts when another system calls this agent's address."
    icon = "webhook"
    instant = True
    Config = WebhookConfig
    Output = WebhookOutput

    def problems(self, config: WebhookConfig, names: KnownNames | None) -> Iterator[Problem]:
        name = config.secret_name
        if config.signature == "none":
            return
        if name is None:
            message = "A signature needs the secret that the caller signs with, like {{ secrets.NAME }}."
            yield Problem("MISSING_SECRET", message, field="secret")
        elif names is not None and name not in names.secrets:
            message = f"There is no secret {name}; add it in the settings, under Secrets & variables."
            yield Problem("MISSING_SECRET", message, field="secret")

    async def run(self, config: WebhookConfig, context: Context) -> Result:
        return Result({"data": context.trigger.data})
