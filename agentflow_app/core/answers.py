"""How an error is answered over REST, wherever it was noticed."""

from fastapi.responses import JSONResponse

from agentflow_app.core.errors import AppError


def error_response(error: AppError, headers: dict[str, str] | None = None) -> JSONResponse:
    """The envelope with its status, Retry-After and WWW-Authenticate."""
    sent = dict(headers or {})
    if error.retry_after is not None:
        sent["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.envelope(), error.status, headers=sent)
