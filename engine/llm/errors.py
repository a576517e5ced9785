"""How asking a model can fail."""

from typing import ClassVar

from engine.errors import EngineError


class ModelError(EngineError):
    """Root of what a provider answers with. `unavailable`: another model may well answer, so it is asked."""

    code = "MODEL_ERROR"
    unavailable: ClassVar[bool] = False


class ProviderAuthError(ModelError):
    """The provider refuses the key, or the key may not use this model."""

    code = "PROVIDER_AUTH"


class ModelRequestError(ModelError):
    """The provider refuses the request as it stands: a bad parameter, an unknown model, too long a prompt."""

    code = "MODEL_REQUEST_REFUSED"


class RateLimitedError(ModelError):
    """Too many requests for now."""

    code = "RATE_LIMITED"
    retryable = True
    unavailable = True


class QuotaExceededError(ModelError):
    """The provider account's quota or credit is used up; waiting does not help."""

    code = "QUOTA_EXCEEDED"
    unavailable = True


class ProviderUnavailableError(ModelError):
    """The provider failed, could not be reached, did not answer in time, or broke off."""

    code = "PROVIDER_UNAVAILABLE"
    retryable = True
    unavailable = True


class BrokenAnswerError(ModelError):
    """The model answered, but not with what was asked for, also when asked again."""

    code = "BROKEN_ANSWER"


class AnswerCutError(ModelError):
    """The answer reached the token limit before the data in it was whole."""

    code = "ANSWER_CUT"


class RefusedAnswerError(ModelError):
    """The model, or the provider's filter, declined to answer."""

    code = "ANSWER_REFUSED"
