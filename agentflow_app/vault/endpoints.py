"""/org/secrets, /org/variables, /org/credentials."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from agentflow_app.accounts.routes import AccountRoute, CurrentActor, CurrentTransaction, TenantRoute
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.vault.credentials import CredentialService
from agentflow_app.vault.schemas import (
    CredentialCreate,
    CredentialOut,
    CredentialTrial,
    CredentialUpdate,
    SecretCreate,
    SecretOut,
    SecretUpdate,
    TrialOut,
    VariableCreate,
    VariableOut,
    VariableUpdate,
)
from agentflow_app.vault.service import SecretService, VariableService
from agentflow_app.vault.trials import try_credential as send_trial

BASE = "/api/v1/org"
router = APIRouter(prefix="/org", tags=["vault"], route_class=TenantRoute)
outgoing = APIRouter(prefix="/org", tags=["vault"], route_class=AccountRoute)
Listed = Annotated[PageQuery, Query()]


@router.get("/secrets")
async def list_secrets(query: Listed, actor: CurrentActor, tx: CurrentTransaction) -> Page[SecretOut]:
    return await SecretService(tx, actor).list(query)


@router.post("/secrets", status_code=201)
async def create_secret(
    data: SecretCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> SecretOut:
    secret = await SecretService(tx, actor).create(data)
    response.headers["Location"] = f"{BASE}/secrets/{secret.id}"
    return secret


@router.get("/secrets/{secret_id}")
async def get_secret(secret_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> SecretOut:
    return await SecretService(tx, actor).get(secret_id)


@router.put("/secrets/{secret_id}")
async def update_secret(
    secret_id: UUID, data: SecretUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> SecretOut:
    return await SecretService(tx, actor).update(secret_id, data)


@router.delete("/secrets/{secret_id}", status_code=204)
async def delete_secret(secret_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await SecretService(tx, actor).delete(secret_id)


@router.get("/variables")
async def list_variables(query: Listed, actor: CurrentActor, tx: CurrentTransaction) -> Page[VariableOut]:
    return await VariableService(tx, actor).list(query)


@router.post("/variables", status_code=201)
async def create_variable(
    data: VariableCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> VariableOut:
    variable = await VariableService(tx, actor).create(data)
    response.headers["Location"] = f"{BASE}/variables/{variable.id}"
    return variable


@router.get("/variables/{variable_id}")
async def get_variable(variable_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> VariableOut:
    return await VariableService(tx, actor).get(variable_id)


@router.put("/variables/{variable_id}")
async def update_variable(
    variable_id: UUID, data: VariableUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> VariableOut:
    return await VariableService(tx, actor).update(variable_id, data)


@router.delete("/variables/{variable_id}", status_code=204)
async def delete_variable(variable_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await VariableService(tx, actor).delete(variable_id)


@router.get("/credentials")
async def list_credentials(query: Listed, actor: CurrentActor, tx: CurrentTransaction) -> Page[CredentialOut]:
    return await CredentialService(tx, actor).list(query)


@router.post("/credentials", status_code=201)
async def create_credential(
    data: CredentialCreate, actor: CurrentActor, tx: CurrentTransaction, response: Response
) -> CredentialOut:
    credential = await CredentialService(tx, actor).create(data)
    response.headers["Location"] = f"{BASE}/credentials/{credential.id}"
    return credential


@router.get("/credentials/{credential_id}")
async def get_credential(credential_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> CredentialOut:
    return await CredentialService(tx, actor).get(credential_id)


@router.put("/credentials/{credential_id}")
async def update_credential(
    credential_id: UUID, data: CredentialUpdate, actor: CurrentActor, tx: CurrentTransaction
) -> CredentialOut:
    return await CredentialService(tx, actor).update(credential_id, data)


@router.delete("/credentials/{credential_id}", status_code=204)
async def delete_credential(credential_id: UUID, actor: CurrentActor, tx: CurrentTransaction) -> None:
    await CredentialService(tx, actor).delete(credential_id)


@outgoing.post("/credentials/{credential_id}/test")
async def try_credential(credential_id: UUID, data: CredentialTrial, actor: CurrentActor) -> TrialOut:
    """Sends one GET with it, to one of its own hosts, and tells status and time."""
    return await send_trial(actor, credential_id, data)
