"""What a provider's SDK raises, as errors of the engine. No key ever stands in one."""

import re
from collections.abc import Iterator
from typing import Any

from engine.errors import EngineError
from engine.llm.catalog import KEY_NAMES, LABELS
from engine.llm.errors import (
    BrokenAnswerError,
    ModelRequestError,
    ProviderAuthError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from engine.ports import ResolvedModel

LONGEST_MESSAGE = 500
_KEY = re.compile(r"\b(?:sk|pk|key|api)[-_][\w*.-]{6,}|(?i:bearer\s+)\S+")
# Statuses of 4xx that say nothing against the request: a timeout, a conflict, too early.
_PASSING = frozenset({408, 409, 425})


def translated(error: Exception, model: ResolvedModel) -> EngineError:
    """The engine's error for what pydantic-ai raised in a call."""
    from pydantic_ai import exceptions as ai

    refused = next((cause for cause in _causes(error) if isinstance(cause, EngineError)), None)
    if refused is not None:
        return refused

    who = LABELS.get(model.provider, model.provider)
    details: dict[str, Any] = {"provider": model.provider, "model": model.name}
    if isinstance(error, ai.ModelHTTPError):
        details["status"] = error.status_code
    if isinstance(error, ai.ModelAuthenticationError):
        setting = KEY_NAMES.get(model.provider, "its key")
        return ProviderAuthError(
            f"{who} refuses the key, or the key may not use {model.name}: check {setting}", details=details
        )
    said = _said(error, model)
    if isinstance(error, ai.ModelQuotaExceededError):
        return QuotaExceededError(f"The {who} account has no quota or credit left: {said}", details=details)
    if isinstance(error, ai.ModelRateLimitError):
        return RateLimitedError(
            f"{who} allows no more requests for now: {said}", details=details, retry_after=error.retry_after
        )
    if isinstance(error, ai.ModelRequestRejectedError):
        return ModelRequestError(f"{who} refuses this request to {model.name}: {said}", details=details)
    if isinstance(error, ai.ModelRequestTimeout | ai.ModelTimeoutError):
        return ProviderUnavailableError(f"{who} did not answer in time", details=details)
    if isinstance(error, ai.ModelConnectionError):
        said = next((str(cause) for cause in reversed([*_causes(error)]) if str(cause)), said)
        return ProviderUnavailableError(f"The connection to {who} failed: {said}", details=details)
    if isinstance(error, ai.ModelHTTPError) and error.status_code < 500:
        if error.status_code not in _PASSING:
            return ModelRequestError(f"{who} refuses this request to {model.name}: {said}", details=details)
    elif isinstance(error, ai.ModelAPIError) and not isinstance(error, ai.ModelHTTPError):
        if isinstance(error.__cause__, ValueError) or said.startswith("Expected a JSON response"):
            return BrokenAnswerError(f"{who} answered with something that is not JSON", details=details)
    elif isinstance(error, ai.UnexpectedModelBehavior):
        return BrokenAnswerError(f"{who} answered with something unusable: {said}", details=details)
    retry_after = error.retry_after if isinstance(error, ai.ModelAPIError) else None
    return ProviderUnavailableError(
        f"{who} failed to answer: {said}", details=details, retry_after=retry_after
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to the error, the nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _said(error: Exception, model: ResolvedModel) -> str:
    """The provider's own words, shortened, with anything like a key taken out."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message") if isinstance(inner, dict) else inner
    text = " ".join(str(message or getattr(error, "message", None) or error).split())[:LONGEST_MESSAGE]
    key = getattr(getattr(model.model, "client", None), "api_key", None)
    if isinstance(key, str) and len(key) > 3:
        text = text.replace(key, "[key]")
    return _KEY.sub("[key]", text)
