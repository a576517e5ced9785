"""/auth: what is kept about oneself, and the end of it."""

from fastapi import APIRouter, Response

from agentflow_app.accounts.erasure import erase_account
from agentflow_app.accounts.routes import AccountRoute, CurrentActor
from agentflow_app.accounts.schemas import AccountDelete
from agentflow_app.privacy.schemas import PersonalData
from agentflow_app.privacy.service import personal_data

router = APIRouter(prefix="/auth", tags=["account"], route_class=AccountRoute)


@router.get("/privacy/export")
async def export_personal_data(actor: CurrentActor, response: Response) -> PersonalData:
    """As a file to download."""
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return await personal_data(actor)


@router.delete("/account", status_code=204)
async def delete_account(data: AccountDelete, actor: CurrentActor) -> None:
    """Everything that names the person goes; what they did stays, of nobody."""
    await erase_account(actor, data)
