"""/auth/sso/saml: what a SAML provider reads about us, and where it lets browsers post its answers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agentflow_app.accounts.endpoints import set_cookie
from agentflow_app.sso import again, login, saml
from agentflow_app.sso.endpoints import DoorRoute, drop_browser, kept_browser
from agentflow_app.sso.errors import LoginGone

PREFIX = "/auth/sso/saml/{connection_id}"
door = APIRouter(prefix=PREFIX, tags=["single sign-on"], route_class=DoorRoute)
about = APIRouter(prefix=PREFIX, tags=["single sign-on"])


@about.get("/metadata", response_class=Response, responses={200: {"content": {"application/xml": {}}}})
async def metadata(connection_id: UUID) -> Response:
    """What the provider has to know about us."""
    await login.require_saml(connection_id)
    return Response(saml.metadata(connection_id), media_type="application/samlmetadata+xml")


@door.post("/acs", status_code=303)
async def acs(
    request: Request,
    connection_id: UUID,
    answer: Annotated[str, Form(alias="SAMLResponse")] = "",
    state: Annotated[str, Form(alias="RelayState")] = "",
) -> RedirectResponse:
    """Where the provider's page posts its answer. One that nobody asked for is refused."""
    browser = kept_browser(request, "saml")
    spent = await login.spend(state, browser)
    row = spent.connection
    if row is None or row.id != connection_id or row.protocol != "saml":
        raise LoginGone
    given = {"SAMLResponse": answer}
    response = RedirectResponse(spent.destination, 303)
    if spent.session_id is not None:
        request.state.page = spent.destination
        await again.finish(spent, given, browser)
    else:
        set_cookie(request, response, await login.finish(row, given, browser))
    drop_browser(response, "saml")
    return response
