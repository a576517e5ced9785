"""What arrived at a webhook: its data, and which delivery it is where the sender says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from agentflow_app.accounts.tokens import digest
from agentflow_app.core.idempotency import Call, call_of
from agentflow_app.core.serialization import loads
from engine.sizes import is_deep

_IDS = ("webhook-id", "x-github-delivery")
_SIGNED_IDS = {"stripe": "id", "slack": "event_id"}
"""Where the senders that number their deliveries in the body do it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in, as `trigger` shows it."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    query_string: str
    method: str

    def data(self) -> Any:
        """The JSON body; a form's fields; anything else, or nested without measure, as `{"text": …}`."""
        kind = self.content_type.partition(";")[0].strip().lower()
        text = self.body.decode("utf-8", "replace").replace("\x00", "\ufffd")
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(text, keep_blank_values=True))
        if not text.strip():
            return {}
        try:
            found = loads(self.body)
        except (ValueError, RecursionError):
            return {"text": text}
        return {"text": text} if is_deep(found) else found

    @property
    def names_itself(self) -> bool:
        """Whether a header says which delivery this is."""
        return any(name in self.headers for name in ("idempotency-key", *_IDS))

    def call(self, org_id: UUID, agent_id: UUID, signature: str) -> Call | None:
        """Which delivery this is; None where nothing says so. Raises ValidationFailed.

        An id that the signature covers goes before one that anybody could have put there. Senders other than
        those of an `Idempotency-Key` may write a repeated delivery anew, so that for them the id is all.
        """
        signed = self._signed_id(signature)
        key = self.headers.get("idempotency-key")
        if signed is None and key is not None:
            # The path is left out: it is a credential.
            return call_of(org_id, agent_id, self.method, "/hooks", self.query_string, key, self.body)
        found = signed or next((self.headers[name] for name in _IDS if self.headers.get(name)), None)
        if found is None:
            return None
        return call_of(org_id, agent_id, self.method, "/hooks/deliveries", "", digest(found), b"")

    def _signed_id(self, signature: str) -> str | None:
        if signature == "standard_webhooks":
            return self.headers.get("webhook-id") or None
        if signature not in _SIGNED_IDS:
            return None
        data = self.data()
        found = data.get(_SIGNED_IDS[signature]) if isinstance(data, dict) else None
        return found if isinstance(found, str) and found else None
