"""Whether a credential is accepted: one request with it to one of its hosts, and nothing of the answer."""

import asyncio
import time
from uuid import UUID

import httpx

from agentflow_app.audit.service import record
from agentflow_app.core.clock import utcnow
from agentflow_app.core.crypto import CannotUnseal, UnknownMasterKey
from agentflow_app.core.database import database
from agentflow_app.core.errors import ValidationFailed
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.tenancy import Actor
from agentflow_app.organizations.service import OrganizationService
from agentflow_app.providers.service import egress
from agentflow_app.vault.credentials import CredentialService, open_parts
from agentflow_app.vault.models import Credential
from agentflow_app.vault.oauth import TokenSource
from agentflow_app.vault.schemas import CredentialTrial, TrialOut
from agentflow_app.vault.sending import bearer, ready
from engine.egress import LimitedEgress
from engine.egress.origins import host_of, origins
from engine.errors import EngineError
from engine.masking import Masker
from engine.secrets import Credential as ReadyCredential
from engine.secrets import Stamp

SECONDS = 10.0


async def try_credential(actor: Actor, credential_id: UUID, data: CredentialTrial) -> TrialOut:
    """Sends one GET; redirects are not followed. No transaction is open meanwhile.

    Raises CredentialNotFound, TooManyRequests, or ValidationFailed for an address that is not its own.
    """
    actor.require("credentials:write")
    async with database().transaction(actor) as tx:
        service = CredentialService(tx, actor)
        row = await service.load(credential_id, lock=True)
        if row.type == "smtp":
            raise ValidationFailed(fields={"type": "a mail server is tried by sending a letter"})
        url = _address(row, data)
        await rate_limits().trials(actor.org_id)
        limits = (await OrganizationService(tx, actor).settings()).egress_allowed_hosts
        # Before it is opened: what could be opened was noted.
        told = {"name": row.name, "host": url.host}
        record(tx, actor, "credential.tested", "credential", row.id, told)
        row.last_used_at = utcnow()
    began = time.monotonic()
    status, problem = await _send(row, url, egress().limited(limits))
    return TrialOut(
        ok=status is not None and status < 400,
        status=status,
        problem=problem,
        duration_ms=round((time.monotonic() - began) * 1000),
        url=str(url.copy_with(query=None, fragment=None)),
    )


def _address(row: Credential, data: CredentialTrial) -> httpx.URL:
    """Raises ValidationFailed."""
    hosts = origins(row.allowed_hosts)
    if data.url is None:
        exact = next((each for each in hosts if not each.wildcard), None)
        if exact is None:
            raise ValidationFailed(fields={"url": "is needed: the credential's hosts are patterns"})
        host = f"[{exact.host}]" if ":" in exact.host else exact.host
        return httpx.URL(f"{exact.scheme}://{host}:{exact.port}/")
    try:
        url = httpx.URL(data.url)
        host_of(url)
    except (httpx.InvalidURL, UnicodeError):
        raise ValidationFailed(fields={"url": "is no address"}) from None
    if url.userinfo:
        raise ValidationFailed(fields={"url": "has no user or password in it: the credential is tried"})
    if not any(each.allows(url) for each in hosts):
        allowed = ", ".join(map(str, hosts))
        raise ValidationFailed(fields={"url": f"is at none of the credential's hosts: {allowed}"})
    return url


async def _send(row: Credential, url: httpx.URL, way_out: LimitedEgress) -> tuple[int | None, str | None]:
    """The status, or what kept it from coming."""
    masker = Masker()
    try:
        async with asyncio.timeout(SECONDS):
            credential = await _opened(row, way_out)
            masker.add(credential.hidden)
            async with (
                way_out.http(Stamp(credential, masker)) as client,
                client.stream("GET", url, follow_redirects=False) as answer,
            ):
                return answer.status_code, None
    except TimeoutError:
        return None, f"Nothing answered within {SECONDS:.0f} seconds"
    except httpx.HTTPError as error:
        return None, f"The host could not be reached: {type(error).__name__}"
    except EngineError as error:
        return None, masker.text(error.message)
    except (CannotUnseal, UnknownMasterKey):
        return None, "The credential cannot be opened with the keys of this server; enter its secret again"


async def _opened(row: Credential, way_out: LimitedEgress) -> ReadyCredential:
    if row.type == "oauth2":
        token, hidden = await TokenSource(row.org_id, row.id, way_out).token()
        return bearer(row, token, hidden)
    return ready(row, await open_parts(row))
