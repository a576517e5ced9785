"""/scim/v2 for identity providers, in SCIM's own shape, and /org/sso/scim-token for admins."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from agentflow_app.accounts.authentication import credential
from agentflow_app.accounts.routes import CurrentActor, CurrentTransaction, SecretRoute, TenantRoute
from agentflow_app.core.database import database
from agentflow_app.core.errors import AppError, NotFound
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.sso import scim_description as description
from agentflow_app.sso.errors import ScimRefused
from agentflow_app.sso.schemas import ScimOut, ScimSecret
from agentflow_app.sso.scim import Groups, Users, listed
from agentflow_app.sso.scim_schemas import ERROR, Patch, ScimGroup, ScimUser
from agentflow_app.sso.scim_tokens import ScimTokenService, provisioner

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class ScimAnswer(JSONResponse):
    media_type = "application/scim+json"


def _refusal(
    status: int, detail: str, kind: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    told = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return ScimAnswer(told | ({"scimType": kind} if kind else {}), status, headers=headers)


def _told(error: AppError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == 422:
        return _refusal(400, error.message, "invalidValue", headers)
    kind = error.kind if isinstance(error, ScimRefused) else "uniqueness" if error.status == 409 else None
    return _refusal(error.status, error.message, kind, headers)


def _unreadable(error: RequestValidationError) -> Response:
    found = error.errors()[0]
    if found["loc"][0] == "path":
        return _refusal(404, "There is nothing here with this id")
    where = ".".join(str(part) for part in found["loc"][1:])
    kind = "invalidSyntax" if found["type"] in ("json_invalid", "missing") else "invalidValue"
    return _refusal(400, f"{where}: {found['msg'].removeprefix('Value error, ')}".removeprefix(": "), kind)


class ScimRoute(APIRoute):
    """A route for an identity provider, in one transaction of the organization that its token is for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def edge(request: Request) -> Response:
            try:
                actor, token_id = await provisioner(credential(request.headers))
                await rate_limits().organization(actor.org_id, token_id)
                await request.body()  # before the transaction: a slow sender must not hold a connection
                async with database().transaction(actor) as tx:
                    request.state.actor, request.state.tx = actor, tx
                    return await handler(request)
            except AppError as error:
                return _told(error)
            except RequestValidationError as error:
                return _unreadable(error)
            except HTTPException as error:
                if isinstance(error.__cause__, AppError):
                    return _told(error.__cause__)
                return _refusal(error.status_code, "The body is not readable JSON", "invalidSyntax")

        return edge


tokens = APIRouter(prefix="/org/sso", tags=["single sign-on"], route_class=TenantRoute)
secret = APIRouter(prefix="/org/sso", tags=["single sign-on"], route_class=SecretRoute)
router = APIRouter(
    prefix="/scim/v2", tags=["provisioning"], route_class=ScimRoute, default_response_class=ScimAnswer
)
Filter = Annotated[str | None, Query(alias="filter", max_length=1000)]
Start = Annotated[int, Query(alias="startIndex", le=1_000_000)]
Count = Annotated[int, Query(le=1_000_000)]
Excluded = Annotated[str, Query(alias="excludedAttributes", max_length=1000)]


@tokens.get("/scim-token")
async def get_scim_token(actor: CurrentActor, tx: CurrentTransaction) -> ScimOut:
    """Where identity providers provision, and how the token begins; the token itself is never shown again."""
    return await ScimTokenService(tx, actor).get()


@secret.post("/scim-token", status_code=201)
async def make_scim_token(actor: CurrentActor, tx: CurrentTransaction, response: Response) -> ScimSecret:
    """A new token; the one before stops at once."""
    response.headers["Location"] = "/api/v1/org/sso/scim-token"
    response.headers["Cache-Control"] = "no-store"
    return await ScimTokenService(tx, actor).replace()


@tokens.delete("/scim-token", status_code=204)
async def revoke_scim_token(actor: CurrentActor, tx: CurrentTransaction) -> None:
    await ScimTokenService(tx, actor).revoke()


@router.get("/ServiceProviderConfig")
async def service_provider_config() -> dict[str, Any]:
    return description.config()


@router.get("/ResourceTypes")
async def resource_types() -> dict[str, Any]:
    found = description.resource_types()
    return listed(found, len(found), 1)


@router.get("/ResourceTypes/{name}")
async def resource_type(name: str) -> dict[str, Any]:
    return _named(description.resource_types(), name)


@router.get("/Schemas")
async def schemas() -> dict[str, Any]:
    found = description.schemas()
    return listed(found, len(found), 1)


@router.get("/Schemas/{name}")
async def schema(name: str) -> dict[str, Any]:
    return _named(description.schemas(), name)


def _named(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for each in found:
        if each["id"] == name:
            return each
    raise NotFound("There is nothing of this name")


@router.get("/Users")
async def list_users(
    actor: CurrentActor, tx: CurrentTransaction, text: Filter = None, start: Start = 1, count: Count = 100
) -> dict[str, Any]:
    return await Users(tx, actor).list(text, start, count)


@router.post("/Users", status_code=201)
async def create_user(
    data: ScimUser, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> dict[str, Any]:
    return _located(response, await Users(tx, actor).create(data))


@router.get("/Users/{user_id}")
async def get_user(user_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> dict[str, Any]:
    return await Users(tx, actor).get(user_id)


@router.put("/Users/{user_id}")
async def replace_user(
    user_id: UUID, data: ScimUser, actor: CurrentActor, tx: CurrentTransaction
) -> dict[str, Any]:
    return await Users(tx, actor).replace(user_id, data)


@router.patch("/Users/{user_id}")
async def patch_user(
    user_id: UUID, data: Patch, actor: CurrentActor, tx: CurrentTransaction
) -> dict[str, Any]:
    return await Users(tx, actor).patch(user_id, data)


@router.delete("/Users/{user_id}", status_code=204)
async def delete_user(user_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await Users(tx, actor).delete(user_id)


@router.get("/Groups")
async def list_groups(
    actor: CurrentActor,
    tx: CurrentTransaction,
    text: Filter = None,
    start: Start = 1,
    count: Count = 100,
    excluded: Excluded = "",
) -> dict[str, Any]:
    return await Groups(tx, actor).list(text, start, count, members=_with_members(excluded))


@router.post("/Groups", status_code=201)
async def create_group(
    data: ScimGroup, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> dict[str, Any]:
    return _located(response, await Groups(tx, actor).create(data))


@router.get("/Groups/{team_id}")
async def get_group(
    team_id: UUID, actor: CurrentActor, tx: CurrentTransaction, excluded: Excluded = ""
) -> dict[str, Any]:
    return await Groups(tx, actor).get(team_id, members=_with_members(excluded))


@router.put("/Groups/{team_id}")
async def replace_group(
    team_id: UUID, data: ScimGroup, actor: CurrentActor, tx: CurrentTransaction
) -> dict[str, Any]:
    return await Groups(tx, actor).replace(team_id, data)


@router.patch("/Groups/{team_id}")
async def patch_group(
    team_id: UUID, data: Patch, actor: CurrentActor, tx: CurrentTransaction
) -> dict[str, Any]:
    return await Groups(tx, actor).patch(team_id, data)


@router.delete("/Groups/{team_id}", status_code=204)
async def delete_group(team_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await Groups(tx, actor).delete(team_id)


@router.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
async def nothing_here(path: str, request: Request) -> None:
    raise NotFound(f"There is nothing at {request.method} {request.url.path}")


def _with_members(excluded: str) -> bool:
    return "members" not in {each.strip().lower() for each in excluded.split(",")}


def _located(response: Response, made: dict[str, Any]) -> dict[str, Any]:
    response.headers["Location"] = made["meta"]["location"]
    return made
