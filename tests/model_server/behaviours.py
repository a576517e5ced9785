"""What the server can be asked to do instead of simply answering."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`status` other than 200 is an error, with `code` as the provider's own name for it.

    `answer` changes what is said, `ending` how the connection goes on after the first half of a stream, or
    instead of a whole answer.
    """

    status: int = 200
    code: str | None = None
    retry_after: str | None = None
    answer: str = "usual"
    ending: str = "usual"


BEHAVIOURS: dict[str, Behaviour] = {
    "usual": Behaviour(),
    "unauthorized": Behaviour(401, "invalid_api_key"),
    "forbidden": Behaviour(403, "permission_error"),
    "bad-request": Behaviour(400, "invalid_request_error"),
    "not-found": Behaviour(404, "model_not_found"),
    "too-long": Behaviour(400, "context_length_exceeded"),
    "rate-limited": Behaviour(429, "rate_limit_exceeded", retry_after="7"),
    "no-quota": Behaviour(429, "insufficient_quota"),
    "conflict": Behaviour(409, "conflict"),
    "teapot": Behaviour(418, "teapot"),
    "error": Behaviour(500, "server_error"),
    "overloaded": Behaviour(529, "overloaded_error"),
    # The connection.
    "hang": Behaviour(ending="hang"),
    "stall": Behaviour(ending="stall"),  # half a stream, then silence
    "cut": Behaviour(ending="cut"),  # half an answer, then the connection is reset
    "end-early": Behaviour(ending="end-early"),  # half a stream, ended as if it were whole
    "stream-error": Behaviour(ending="stream-error"),  # half a stream, then an error event
    # The content.
    "broken-json": Behaviour(answer="broken-json"),
    "not-json": Behaviour(answer="not-json"),
    "empty": Behaviour(answer="empty"),  # no choices, no content
    "blank": Behaviour(answer="blank"),  # a choice without text
    "bad-label": Behaviour(answer="bad-label"),
    "bad-confidence": Behaviour(answer="bad-confidence"),
    "text-json": Behaviour(answer="text-json"),  # the data as text, though a tool was asked for
    "deep-json": Behaviour(answer="deep-json"),  # nested deeper than readers of JSON go
    "deep-text": Behaviour(answer="deep-text"),  # the same, as text
    "refusal": Behaviour(answer="refusal"),
    "length": Behaviour(answer="length"),  # cut off at the token limit
    "cut-data": Behaviour(answer="cut-data"),  # the same, in the middle of the data
    "no-usage": Behaviour(answer="no-usage"),
    "cached": Behaviour(answer="cached"),
}

ONCE = "-once"
"""Appended to a behaviour: only the first request for that model is treated so."""


def named(model: str) -> tuple[str, bool]:
    """The behaviour that a model's name asks for, and whether only once."""
    _, dashes, name = model.rpartition("--")
    once = name.endswith(ONCE)
    name = name.removesuffix(ONCE)
    return (name, once) if dashes and name in BEHAVIOURS else ("usual", False)
