"""/invitations: for whoever holds an invitation's link, with or without an account."""

from fastapi import APIRouter, Request, Response

from agentflow_app.accounts.authentication import authenticate, credential
from agentflow_app.accounts.endpoints import Session, set_cookie
from agentflow_app.accounts.routes import SignInRoute
from agentflow_app.accounts.schemas import SignedIn
from agentflow_app.accounts.service import open_login
from agentflow_app.core.errors import Unauthenticated
from agentflow_app.organizations import joining
from agentflow_app.organizations.schemas import AcceptInvitation, InvitationPreview

router = APIRouter(prefix="/invitations", tags=["invitations"])
entrance = APIRouter(prefix="/invitations", tags=["invitations"], route_class=SignInRoute)


@router.get("/{token}")
async def preview_invitation(token: str, response: Response) -> InvitationPreview:
    response.headers["Cache-Control"] = "no-store"
    return await joining.preview(token)


@entrance.post("/{token}/accept")
async def accept_invitation(
    token: str,
    request: Request,
    response: Response,
    data: AcceptInvitation | None = None,
    session: Session = "token",
) -> SignedIn:
    """With a login of the invited address, or without any and the name and password of a new account."""
    secret = credential(request.headers)
    if secret is not None:
        actor = await authenticate(secret)
        org_id = await joining.accept(actor, token)
        assert actor.user_id is not None
        return set_cookie(
            request, response, await open_login(actor.user_id, org_id, session, method="invitation")
        )
    if data is None:
        await joining.preview(token)
        raise Unauthenticated("Log in to accept, or send a name and a password for a new account")
    return set_cookie(request, response, await joining.accept_anew(token, data, session))
