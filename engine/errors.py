"""What can go wrong while a definition is checked or run. One root; each carries a stable code."""

from typing import Any, ClassVar


class EngineError(Exception):
    """Root of the engine's errors.

    `code` is stable and upper case, `details` is JSON. `retryable` errors are tried again by the runner;
    `retry_after` (seconds) is what the other side asked for, if it did. `effect_unknown`: the request may
    have taken effect although it failed, so a node with `repeat: never` is not tried again.
    """

    code: ClassVar[str] = "ENGINE_ERROR"
    retryable: ClassVar[bool] = False
    effect_unknown: ClassVar[bool] = False

    def __init__(
        self, message: str, *, details: dict[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after


class LeaseLostError(EngineError):
    """Another worker owns this execution by now; stop without writing."""

    code = "LEASE_LOST"


class InvalidDefinitionError(EngineError):
    """The graph cannot be run as it stands."""

    code = "INVALID_DEFINITION"


class UnknownKindError(EngineError):
    """No such node kind here."""

    code = "UNKNOWN_KIND"


class InvalidConfigError(EngineError):
    """A node's config, rendered, is not what its kind needs."""

    code = "INVALID_CONFIG"


class InvalidInputError(EngineError):
    """What came in does not fit the trigger's schema."""

    code = "INVALID_INPUT"


class ExpressionError(EngineError):
    """An expression cannot be parsed or evaluated."""

    code = "EXPRESSION_ERROR"


class MissingPathError(ExpressionError):
    """An expression names something that is not there."""

    code = "MISSING_PATH"


class ExpressionLimitError(ExpressionError):
    """An expression took too long or grew too large."""

    code = "EXPRESSION_LIMIT"


class StepTimeoutError(EngineError):
    """A step took longer than it may."""

    code = "TIMEOUT"
    retryable = True
    effect_unknown = True


class LoopTimeoutError(EngineError):
    """The rounds of a loop took longer together than it may; they are not gone through again."""

    code = "LOOP_TIMEOUT"


class WaitExpiredError(EngineError):
    """What a step waited for did not come in time."""

    code = "WAIT_EXPIRED"


class ExecutionTimeoutError(EngineError):
    """The execution took longer than its agent's settings allow."""

    code = "EXECUTION_TIMEOUT"


class LimitExceededError(EngineError):
    """The execution went over a limit of its settings."""

    code = "LIMIT_EXCEEDED"


class UnknownModelError(EngineError):
    """No provider offers a model of this name."""

    code = "UNKNOWN_MODEL"


class MissingKeyError(EngineError):
    """The provider of this model has no key."""

    code = "MISSING_KEY"


class EgressRefusedError(EngineError):
    """The address is private, loopback or link-local, and not on the list of allowed hosts."""

    code = "EGRESS_REFUSED"


class MissingSecretError(EngineError):
    """The organization has no secret or credential of this name."""

    code = "MISSING_SECRET"


class SecretsUnavailableError(EngineError):
    """The vault does not answer for now."""

    code = "SECRETS_UNAVAILABLE"
    retryable = True


class CredentialRefusedError(EngineError):
    """A credential or a secret would have gone where it may not."""

    code = "CREDENTIAL_REFUSED"


class RequestError(EngineError):
    """The other side answered with an error."""

    code = "HTTP_ERROR"


class RequestRetryableError(RequestError):
    """The other side refused for now: 429, or it could not be reached."""

    retryable = True


class RequestUnknownError(RequestRetryableError):
    """The request was sent, and whether it took effect is not known: 5xx, a cut connection, a timeout."""

    effect_unknown = True


class ResponseTooLargeError(EngineError):
    """The answer is larger than a step may take in."""

    code = "RESPONSE_TOO_LARGE"


class NoAgentsError(EngineError):
    """There are no other agents where this runs."""

    code = "NO_AGENTS"


class UnknownAgentError(EngineError):
    """The organization has no such agent."""

    code = "UNKNOWN_AGENT"


class AgentRefusedError(EngineError):
    """The agent cannot be run as it stands: it is paused, say."""

    code = "AGENT_REFUSED"


class NestedTooDeepError(EngineError):
    """Agents call one another without an end in sight."""

    code = "NESTED_TOO_DEEP"


class AgentsUnavailableError(EngineError):
    """The agent cannot be started for now."""

    code = "AGENTS_UNAVAILABLE"
    retryable = True


class AgentFailedError(EngineError):
    """The run that a step called failed, or was cancelled."""

    code = "AGENT_FAILED"


class CodeError(EngineError):
    """A person's code raised an error, or came to something that is no JSON."""

    code = "CODE_FAILED"


class CodeLimitError(EngineError):
    """A person's code took too long or too much memory, or its output is too large."""

    code = "CODE_LIMIT"


class CodeCrashedError(EngineError):
    """The process that ran a person's code died over it."""

    code = "CODE_CRASHED"


class SandboxUnavailableError(EngineError):
    """No process for code can be started for now."""

    code = "CODE_UNAVAILABLE"
    retryable = True
