"""Access tokens of OAuth 2: fetched through the egress, kept sealed, fetched anew by one worker for all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, or_, select, update
from sqlmodel import col

from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import cell, seal, unseal
from agentflow_app.core.database import database
from agentflow_app.core.serialization import loads
from agentflow_app.vault.credentials import open_parts, seal_parts
from agentflow_app.vault.models import Credential
from engine.errors import MissingSecretError, RequestError, RequestRetryableError
from engine.ports import Egress

FETCH_SECONDS = 15.0
CLAIM = timedelta(seconds=20)
WAIT_SECONDS = 40.0
LOOK_SECONDS = 0.2
EARLY = timedelta(seconds=60)
"""How long before its end a token is not used any more."""
UNKNOWN_LIFE = timedelta(minutes=5)
MAX_BYTES = 65_536
MAX_TOKEN = 8_192


@dataclass(frozen=True, slots=True)
class Fetched:
    """`refresh_token` only where the server gave a new one. `lives` is None where it does not say."""

    token: str
    lives: timedelta | None
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class TokenSource:
    """The token of one credential."""

    org_id: UUID
    credential_id: UUID
    egress: Egress

    async def token(self) -> tuple[str, Sequence[str]]:
        """The token, and every other value that is to be masked. Raises RequestError."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    row = await self._row()
                    if row.token is not None and row.token_expires_at and row.token_expires_at > utcnow():
                        values = await open_token(row)
                        return values[0], values[1:]
                    if await self._claim(row):
                        await self._fetch(row)
                    else:
                        await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise RequestRetryableError("No token came for this credential in time") from None

    async def _row(self) -> Credential:
        async with database().transaction(org_id=self.org_id) as tx:
            query = select(Credential).where(
                col(Credential.org_id) == self.org_id, col(Credential.id) == self.credential_id
            )
            row = (await tx.execute(query)).scalar_one_or_none()
        if row is None:
            raise MissingSecretError("The credential was deleted")
        return row

    async def _claim(self, row: Credential) -> bool:
        """Whether this worker is the one that fetches; it has CLAIM to do so."""
        free = or_(col(Credential.refreshing_until).is_(None), col(Credential.refreshing_until) < func.now())
        async with database().transaction(org_id=self.org_id) as tx:
            claimed = await tx.execute(
                update(Credential)
                .where(
                    col(Credential.id) == row.id,
                    col(Credential.revision) == row.revision,
                    col(Credential.token_expires_at).is_not_distinct_from(row.token_expires_at),
                    free,
                )
                .values(refreshing_until=func.now() + CLAIM)
                .returning(col(Credential.id))
            )
            return claimed.scalar_one_or_none() is not None

    async def _fetch(self, row: Credential) -> None:
        changes: dict[str, Any] = {}
        try:
            parts = await open_parts(row)
            fetched = await _ask(self.egress, row.name, row.settings, parts)
            changes = {
                "token": await seal(fetched.token.encode(), cell("credentials", "token", row.id)),
                "token_expires_at": _end(fetched.lives),
            }
            if fetched.refresh_token and fetched.refresh_token != parts.get("refresh_token"):
                parts = {**parts, "refresh_token": fetched.refresh_token}
                changes["parts"] = await seal_parts(row.id, parts)
        finally:
            async with database().transaction(org_id=self.org_id) as tx:
                await tx.execute(
                    update(Credential)
                    .where(col(Credential.id) == row.id, col(Credential.revision) == row.revision)
                    .values(refreshing_until=None, **changes)
                )


async def open_token(row: Credential) -> list[str]:
    """The token, where there is one, and the parts that it came from."""
    values = list((await open_parts(row)).values())
    if row.token is not None:
        values.insert(0, (await unseal(row.token, cell("credentials", "token", row.id))).decode())
    return values


def _end(lives: timedelta | None) -> Any:
    """A token is given up early, but one that lives shortly is used for half of its life."""
    lives = UNKNOWN_LIFE if lives is None else lives
    return utcnow() + max(lives - EARLY, lives / 2)


async def _ask(egress: Egress, name: str, settings: Mapping[str, Any], parts: Mapping[str, str]) -> Fetched:
    form = {"grant_type": settings["grant"]}
    if settings.get("scopes"):
        form["scope"] = " ".join(settings["scopes"])
    if settings["grant"] == "refresh_token":
        form["refresh_token"] = parts["refresh_token"]
    auth = None
    if settings.get("client_auth") == "body":
        form |= {"client_id": settings["client_id"], "client_secret": parts["client_secret"]}
    else:
        auth = httpx.BasicAuth(settings["client_id"], parts["client_secret"])
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            egress.http() as client,
            client.stream(
                "POST",
                settings["token_url"],
                data=form,
                headers={"Accept": "application/json"},
                auth=auth or httpx.USE_CLIENT_DEFAULT,
                follow_redirects=False,
            ) as response,
        ):
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise RequestError(f"The token for {name!r}: the answer is too large")
    except (httpx.TransportError, TimeoutError) as error:
        reason = type(error).__name__
        raise RequestRetryableError(f"The token for {name!r} could not be fetched: {reason}") from None
    except httpx.InvalidURL:
        raise RequestError(f"The token for {name!r}: its address is not valid") from None
    return _read(name, response.status_code, content)


def _read(name: str, status: int, content: bytes) -> Fetched:
    """Nothing of the answer is repeated but the error's code: it may hold what was sent."""
    try:
        answer = loads(content)
    except ValueError:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    if status != 200:
        code = answer.get("error")
        told = (
            f" {code}" if isinstance(code, str) and code.replace("_", "").isalpha() and len(code) < 50 else ""
        )
        kind = RequestRetryableError if status >= 500 or status == 429 else RequestError
        raise kind(f"The token for {name!r} could not be fetched: {status}{told}")
    token, lives, again = (answer.get(key) for key in ("access_token", "expires_in", "refresh_token"))
    if (
        not isinstance(token, str)
        or not 4 <= len(token) <= MAX_TOKEN
        or not (token.isascii() and token.isprintable())
    ):
        raise RequestError(f"The token for {name!r}: the answer has no access_token that can be sent")
    if isinstance(lives, str) and lives.isdigit():
        lives = int(lives)
    life = None
    if isinstance(lives, int | float) and not isinstance(lives, bool) and 0 < lives < 10**9:
        life = timedelta(seconds=lives)
    return Fetched(token, life, again if isinstance(again, str) and 0 < len(again) <= MAX_TOKEN else None)
