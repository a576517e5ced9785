"""The root of what goes wrong for a caller. Features subclass it; REST and pages render it once each."""

from typing import Any, ClassVar


class AppError(Exception):
    """An error that a caller may see.

    `code` is stable and upper case, `message` says what to do, `status` is the HTTP status,
    `details` is JSON without secrets.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, details: dict[str, Any] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after

    def envelope(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class ValidationFailed(AppError):  # noqa: N818  # reads as the sentence that it is
    """Bad input. `details.fields` maps each field's path to what is wrong with it."""

    code = "VALIDATION_ERROR"
    status = 422

    def __init__(self, message: str = "Some fields are not valid", *, fields: dict[str, str]) -> None:
        super().__init__(message, details={"fields": fields})


class Unauthenticated(AppError):  # noqa: N818
    code = "UNAUTHENTICATED"
    status = 401

    def __init__(self, message: str = "Send a valid access token or API key") -> None:
        super().__init__(message)


class Forbidden(AppError):  # noqa: N818
    code = "FORBIDDEN"
    status = 403


class NotFound(AppError):  # noqa: N818
    """Also the answer for another organization's object, which must look exactly like an unknown one."""

    code = "NOT_FOUND"
    status = 404


class Conflict(AppError):  # noqa: N818
    code = "CONFLICT"
    status = 409


class PayloadTooLarge(AppError):  # noqa: N818
    code = "PAYLOAD_TOO_LARGE"
    status = 413


class TooManyRequests(AppError):  # noqa: N818
    code = "RATE_LIMITED"
    status = 429


class Unavailable(AppError):  # noqa: N818
    """Something that this needs (database, Redis) does not answer; the call can be repeated."""

    code = "UNAVAILABLE"
    status = 503
