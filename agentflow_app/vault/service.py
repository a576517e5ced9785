"""Secrets and variables: made, listed, changed, deleted. A secret's value goes in and is never shown."""

from uuid import UUID

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery
from agentflow_app.vault.base import VaultUseCases
from agentflow_app.vault.models import Secret, Variable
from agentflow_app.vault.schemas import (
    SecretCreate,
    SecretOut,
    SecretUpdate,
    VariableCreate,
    VariableOut,
    VariableUpdate,
)


class SecretService(VaultUseCases[Secret]):
    table = Secret
    noun = "secret"

    async def list(self, query: PageQuery) -> Page[SecretOut]:
        self.actor.require("secrets:read")
        return await self.shown_page(query, SecretOut)

    async def get(self, secret_id: UUID) -> SecretOut:
        self.actor.require("secrets:read")
        return await self.shown(await self.load(secret_id), SecretOut)

    async def create(self, data: SecretCreate) -> SecretOut:
        """Raises NameTaken."""
        self.actor.require("secrets:write")
        secret_id = new_id()
        secret = Secret(
            id=secret_id,
            org_id=self.actor.org_id,
            name=data.name,
            description=data.description,
            value=await seal(_bytes(data), cell("secrets", "value", secret_id)),
            updated_by=self.actor.user_id,
        )
        self.tx.add(secret)
        await self.flush_named(data.name)
        record(self.tx, self.actor, "secret.created", "secret", secret_id, {"name": data.name})
        await self.tx.refresh(secret)
        return await self.shown(secret, SecretOut)

    async def update(self, secret_id: UUID, data: SecretUpdate) -> SecretOut:
        """What is left out stays."""
        self.actor.require("secrets:write")
        secret = await self.load(secret_id, lock=True)
        changed = sorted(data.model_fields_set)
        if data.value is not None:
            secret.value = await seal(_bytes(data), cell("secrets", "value", secret.id))
        if "description" in changed:
            secret.description = data.description
        secret.updated_at, secret.updated_by = utcnow(), self.actor.user_id
        told = {"name": secret.name, "fields": changed}
        record(self.tx, self.actor, "secret.updated", "secret", secret.id, told)
        await self.tx.flush()
        return await self.shown(secret, SecretOut)

    async def delete(self, secret_id: UUID) -> None:
        self.actor.require("secrets:write")
        secret = await self.load(secret_id, lock=True)
        record(self.tx, self.actor, "secret.deleted", "secret", secret.id, {"name": secret.name})
        await self.remove(secret)


class VariableService(VaultUseCases[Variable]):
    table = Variable
    noun = "variable"

    async def list(self, query: PageQuery) -> Page[VariableOut]:
        self.actor.require("variables:read")
        return await self.shown_page(query, VariableOut)

    async def get(self, variable_id: UUID) -> VariableOut:
        self.actor.require("variables:read")
        return await self.shown(await self.load(variable_id), VariableOut)

    async def create(self, data: VariableCreate) -> VariableOut:
        """Raises NameTaken."""
        self.actor.require("variables:write")
        variable = Variable(
            id=new_id(),
            org_id=self.actor.org_id,
            name=data.name,
            description=data.description,
            value=data.value,
            updated_by=self.actor.user_id,
        )
        self.tx.add(variable)
        await self.flush_named(data.name)
        record(
            self.tx,
            self.actor,
            "variable.created",
            "variable",
            variable.id,
            {"name": data.name},
            after={"value": data.value},
        )
        await self.tx.refresh(variable)
        return await self.shown(variable, VariableOut)

    async def update(self, variable_id: UUID, data: VariableUpdate) -> VariableOut:
        """What is left out stays."""
        self.actor.require("variables:write")
        variable = await self.load(variable_id, lock=True)
        before = {"value": variable.value, "description": variable.description}
        if "value" in data.model_fields_set:
            variable.value = data.value
        if "description" in data.model_fields_set:
            variable.description = data.description
        variable.updated_at, variable.updated_by = utcnow(), self.actor.user_id
        after = {"value": variable.value, "description": variable.description}
        record(
            self.tx,
            self.actor,
            "variable.updated",
            "variable",
            variable.id,
            {"name": variable.name},
            before={name: value for name, value in before.items() if after[name] != value},
            after={name: value for name, value in after.items() if before[name] != value},
        )
        await self.tx.flush()
        return await self.shown(variable, VariableOut)

    async def delete(self, variable_id: UUID) -> None:
        self.actor.require("variables:write")
        variable = await self.load(variable_id, lock=True)
        told, before = {"name": variable.name}, {"value": variable.value}
        record(
            self.tx, self.actor, "variable.deleted", "variable", variable.id, told, before=before, after=None
        )
        await self.remove(variable)


def _bytes(data: SecretCreate | SecretUpdate) -> bytes:
    assert data.value is not None
    return data.value.get_secret_value().encode()
