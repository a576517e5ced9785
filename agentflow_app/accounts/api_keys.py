"""API keys: made, listed, rotated, revoked. A secret is shown once, when it is made."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.accounts.authentication import KEY_PREFIX
from agentflow_app.accounts.models import PUBLIC_USER, ApiKey, User
from agentflow_app.accounts.schemas import (
    ApiKeyCreate,
    ApiKeyOut,
    ApiKeyRotate,
    ApiKeySecret,
    ApiKeyStatus,
    OwnKey,
    UserRef,
)
from agentflow_app.accounts.tokens import digest, new_secret
from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import Transaction
from agentflow_app.core.errors import Conflict, Forbidden, NotFound, ValidationFailed
from agentflow_app.core.ids import new_id
from agentflow_app.core.pagination import Page, PageQuery, like, paginate
from agentflow_app.core.tenancy import Actor, grantable
from agentflow_app.organizations.models import Membership

PREFIX_LENGTH = 11
_SORT = {"created_at": col(ApiKey.created_at), "name": col(ApiKey.name)}


class ApiKeyNotFound(NotFound):
    code = "API_KEY_NOT_FOUND"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no API key {key_id}")


class NotYourKey(Forbidden):
    """A new secret would let somebody act in the maker's name."""

    code = "NOT_YOUR_KEY"

    def __init__(self) -> None:
        super().__init__("Only who made a key can rotate it; revoke it and make one of your own")


class KeyEnded(Conflict):
    code = "API_KEY_ENDED"

    def __init__(self) -> None:
        super().__init__("This key no longer works, so it cannot be rotated; make a new one")


class ApiKeyService:
    """Bound to one transaction and one actor."""

    def __init__(self, tx: Transaction, actor: Actor) -> None:
        self.tx = tx
        self.actor = actor

    async def list(self, query: PageQuery) -> Page[ApiKeyOut]:
        self.actor.require("api_keys:read")
        statement = select(ApiKey).where(col(ApiKey.org_id) == self.actor.org_id)
        if query.search:
            statement = statement.where(col(ApiKey.name).ilike(like(query.search)))
        page = await paginate(self.tx, statement, query, _SORT, col(ApiKey.id), _same)
        makers = await self._makers({key.created_by for key in page.data})
        return Page(
            data=[self._render(key, makers.get(key.created_by)) for key in page.data],
            next_cursor=page.next_cursor,
        )

    async def create(self, data: ApiKeyCreate) -> ApiKeySecret:
        """Raises ValidationFailed for a scope that the maker cannot give, or an end that has passed."""
        self.actor.require("api_keys:write")
        assert self.actor.user_id is not None
        allowed = grantable(self.actor.role)
        refused = {
            f"scopes.{place}": "is not a scope that your role can give to a key"
            for place, scope in enumerate(data.scopes)
            if scope not in allowed
        }
        if data.expires_at is not None and data.expires_at <= utcnow():
            refused["expires_at"] = "is in the past"
        if refused:
            raise ValidationFailed(fields=refused)
        secret = new_secret(KEY_PREFIX)
        key = ApiKey(
            id=new_id(),
            org_id=self.actor.org_id,
            created_by=self.actor.user_id,
            name=data.name,
            key_hash=digest(secret),
            key_prefix=secret[:PREFIX_LENGTH],
            scopes=sorted(set(data.scopes)),
            expires_at=data.expires_at,
        )
        self.tx.add(key)
        told = {"name": key.name, "prefix": key.key_prefix, "scopes": key.scopes}
        record(self.tx, self.actor, "api_key.created", "api_key", key.id, told)
        await self.tx.flush()
        await self.tx.refresh(key)
        return await self._shown(key, secret)

    async def rotate(self, key_id: UUID, data: ApiKeyRotate) -> ApiKeySecret:
        """A new secret with the same settings. Raises ApiKeyNotFound, NotYourKey or KeyEnded."""
        self.actor.require("api_keys:write")
        key = await self._load(key_id)
        if key.created_by != self.actor.user_id:
            raise NotYourKey
        if not key.is_active or (key.expires_at is not None and key.expires_at <= utcnow()):
            raise KeyEnded
        secret = new_secret(KEY_PREFIX)
        grace = timedelta(seconds=data.grace_seconds)
        key.previous_hash, key.previous_until = (key.key_hash, utcnow() + grace) if grace else (None, None)
        key.key_hash, before = digest(secret), key.key_prefix
        key.key_prefix = secret[:PREFIX_LENGTH]
        told = {"name": key.name, "grace_seconds": data.grace_seconds}
        record(
            self.tx,
            self.actor,
            "api_key.rotated",
            "api_key",
            key.id,
            told,
            before={"prefix": before},
            after={"prefix": key.key_prefix},
        )
        await self.tx.flush()
        return await self._shown(key, secret)

    async def revoke(self, key_id: UUID) -> None:
        """Ends the key, and the secret before it, at once. Raises ApiKeyNotFound."""
        self.actor.require("api_keys:write")
        key = await self._load(key_id)
        await self.tx.delete(key)
        told = {"name": key.name, "prefix": key.key_prefix}
        record(self.tx, self.actor, "api_key.revoked", "api_key", key.id, told)
        await self.tx.flush()

    async def _load(self, key_id: UUID) -> ApiKey:
        query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.org_id) == self.actor.org_id)
        key = (await self.tx.execute(query.with_for_update())).scalar_one_or_none()
        if key is None:
            raise ApiKeyNotFound(key_id)
        return key

    async def _shown(self, key: ApiKey, secret: str) -> ApiKeySecret:
        maker = (await self._makers({key.created_by})).get(key.created_by)
        return ApiKeySecret(**self._render(key, maker).model_dump(), key=secret)

    async def _makers(self, ids: set[UUID]) -> dict[UUID, tuple[User, bool]]:
        """The makers who still are members, and whether they may act."""
        rows = await self.tx.execute(
            select(User, (col(Membership.status) == "active") & col(User.is_active))
            .options(PUBLIC_USER)
            .join(Membership, col(Membership.user_id) == col(User.id))
            .where(col(Membership.org_id) == self.actor.org_id, col(User.id).in_(ids))
        )
        return {user.id: (user, bool(active)) for user, active in rows}

    def _render(self, key: ApiKey, maker: tuple[User, bool] | None) -> ApiKeyOut:
        return ApiKeyOut(
            id=key.id,
            name=key.name,
            prefix=key.key_prefix,
            scopes=key.scopes,
            status=_status(key, maker is not None and maker[1]),
            created_by=UserRef(id=maker[0].id, name=maker[0].name) if maker else None,
            is_own=key.created_by == self.actor.user_id,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            previous_until=key.previous_until,
        )


def _status(key: ApiKey, maker_active: bool) -> ApiKeyStatus:
    if not key.is_active or not maker_active:
        return "inactive"
    if key.expires_at is not None and key.expires_at <= utcnow():
        return "expired"
    return "active"


def _same(key: ApiKey) -> ApiKey:
    return key


async def end_keys_of(tx: Transaction, org_id: UUID, user_id: UUID) -> int:
    """Removes what a person who leaves made; how many keys that were."""
    keys = (
        (
            await tx.execute(
                select(ApiKey).where(col(ApiKey.org_id) == org_id, col(ApiKey.created_by) == user_id)
            )
        )
        .scalars()
        .all()
    )
    for key in keys:
        await tx.delete(key)
    return len(keys)


async def keys_of_person(tx: Transaction, actor: Actor) -> list[OwnKey]:
    """What the actor made in the organization, whatever their role."""
    query = select(ApiKey).where(col(ApiKey.org_id) == actor.org_id, col(ApiKey.created_by) == actor.user_id)
    return [
        OwnKey(prefix=key.key_prefix, **key.model_dump(include=set(OwnKey.model_fields) - {"prefix"}))
        for key in (await tx.execute(query.order_by(col(ApiKey.created_at)))).scalars()
    ]
