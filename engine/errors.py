"""What can go wrong while a definition is checked or run. One root; each carries a stable code."""

from typing import Any, ClassVar


class EngineError(Exception):
    """Root of the engine's errors.

    `code` is stable and upper case, `details` is JSON. `retryable` errors are tried again by the runner;
    `retry_after` (seconds) is what the other side asked for, if it did.
    """

    code: ClassVar[str] = "ENGINE_ERROR"
    retryable: ClassVar[bool] = False

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
