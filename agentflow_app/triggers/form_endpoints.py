"""/public/forms: the forms of agents, for anybody who has their address."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.serialization import loads
from agentflow_app.executions.forms import WHOLE, data_of, fields_of
from agentflow_app.triggers import forms
from agentflow_app.triggers.form_page import KEY, POLICY, form_page, sent_page

router = APIRouter(prefix="/public/forms", tags=["public"])
MOST_FIELDS = 500
_HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
Token = Annotated[str, Path(max_length=100)]


@router.get("/{token}", response_class=HTMLResponse)
async def show_form(token: Token) -> HTMLResponse:
    form = await forms.find(token)
    page = form_page(form.name, form.description, fields_of(form.schema), key=str(new_id()))
    return HTMLResponse(page, headers=_HEADERS)


@router.post("/{token}", response_class=HTMLResponse)
async def send_form(token: Token, request: Request) -> Response:
    """A page for who sent the form; for who sent JSON 202 with the execution's id."""
    form = await forms.find(token)
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        execution_id = await forms.submit(form, _json(body), request.headers.get("idempotency-key"))
        return JSONResponse({"execution_id": str(execution_id)}, 202)
    given = _fields(body)
    try:
        await forms.submit(form, data_of(form.schema, given), given.get(KEY, "")[:100] or None)
    except ValidationFailed as error:
        page = form_page(
            form.name,
            form.description,
            fields_of(form.schema),
            key=str(new_id()),
            given=given,
            problems=_problems(error, {each.name for each in fields_of(form.schema)}),
        )
        return HTMLResponse(page, 422, headers=_HEADERS)
    return HTMLResponse(sent_page(form.name), headers=_HEADERS)


def _json(body: bytes) -> object:
    try:
        return loads(body)
    except (ValueError, RecursionError) as error:
        raise ValidationFailed("The body cannot be read", fields={"body": "is not readable JSON"}) from error


def _fields(body: bytes) -> dict[str, str]:
    text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError as error:
        raise ValidationFailed("The form has too many fields", fields={"body": str(error)}) from error
    return {
        name.replace("\0", ""): value.replace("\0", "\ufffd").replace("\r\n", "\n") for name, value in pairs
    }


def _problems(error: ValidationFailed, names: set[str]) -> Mapping[str, str]:
    """By field; what belongs to none of them stands over the form."""
    told = error.details.get("fields", {}) if isinstance(error.details, dict) else {}
    found: dict[str, str] = {}
    for path, message in told.items():
        name = str(path).removeprefix("trigger_data").removeprefix(".").partition(".")[0]
        if names == {WHOLE}:
            name = WHOLE
        found.setdefault(name if name in names else "", str(message))
    return found
