"""Every route with every kind of caller, against answers written by hand. A route without a row fails."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from psycopg import sql

from agentflow_app.accounts import tokens
from agentflow_app.accounts.models import ApiKey, Passkey
from agentflow_app.accounts.proof import keep_proof
from agentflow_app.accounts.sessions import (
    REFRESH_COOKIE,
    SESSION_COOKIE,
    Identity,
    open_page_session,
    open_refresh,
)
from agentflow_app.accounts.tokens import digest, issue_access_token, new_secret
from agentflow_app.core.clock import utcnow
from agentflow_app.core.database import database
from agentflow_app.core.ids import new_id
from agentflow_app.executions.models import Payload
from agentflow_app.executions.stream import follow
from agentflow_app.organizations.exports import write_export
from agentflow_app.sso.models import SocialIdentity
from tests.actors import (
    GREETING,
    PASSWORD,
    REVIEW,
    People,
    Person,
    definition,
    join,
    new_people,
    node,
    published,
    running,
    unique_email,
)

B = "/api/v1"
AGENT = B + "/agents/{agent_id}"
RUN = B + "/executions/{execution_id}"
KEYS = B + "/org/api-keys"
MEMBERS = B + "/org/members"
INVITATIONS = B + "/org/invitations"
EXPORTS = B + "/org/exports"
OPERATOR = B + "/operator"
SUSPENDED = {"status": "suspended"}
OWNED = """
SELECT table_name, min(column_name) FROM information_schema.columns
WHERE table_schema = 'public' AND (column_name = 'org_id' OR column_name = 'user_id'
    OR (table_name IN ('organizations', 'users') AND column_name = 'id'))
GROUP BY table_name ORDER BY table_name
"""
SUM = """
SELECT count(*) || ' ' || coalesce(md5(string_agg(row, '' ORDER BY row)), '') FROM (
    SELECT (to_jsonb(t) - ARRAY['last_used_at', 'last_seen_at'])::text AS row FROM {table} t
    WHERE {owner} = ANY(%s)
) AS rows
"""
TEAMS = B + "/org/teams"


@dataclass(frozen=True)
class Row:
    """What a call answers its owner, an admin, an editor and a viewer of hers, another organization, and a
    key without scopes.

    The owner's None: her answer does not end by itself and is looked at elsewhere.
    """

    method: str
    path: str
    owner: int | None
    admin: int
    editor: int
    viewer: int
    other: int
    bare_key: int
    body: Any = None
    query: str = ""

    @property
    def endless(self) -> bool:
        return self.owner is None


BEARER = {"name": "{fresh}", "type": "bearer", "value": "a token", "allowed_hosts": ["api.example.com"]}
ME = B + "/auth"
SSO = B + "/org/sso"
CONNECTION = {
    "name": "S{fresh}",
    "issuer": "https://127.0.0.1:9",
    "client_id": "us",
    "client_secret": "a secret",
}
NEW_PASSWORD = {"old_password": PASSWORD, "new_password": "another good one"}
BOTH_FACTORS = {"password": PASSWORD, "code": "000000"}
MADE_UP_PASSKEY = {"challenge": "x", "credential": {}, "name": "Phone"}
TABLE = (
    Row("GET", B + "/schedules", 200, 200, 200, 200, 200, 403),
    Row("GET", B + "/schedules/{schedule_id}", 200, 200, 200, 200, 404, 403),
    Row("GET", B + "/auth/me", 200, 200, 200, 200, 200, 200),
    Row("GET", ME + "/profile", 200, 200, 200, 200, 200, 403),
    Row("PUT", ME + "/profile", 200, 200, 200, 200, 200, 403, {"name": "Renamed"}),
    Row("GET", ME + "/privacy/export", 200, 200, 200, 200, 200, 403),
    Row(
        "DELETE", ME + "/account", 422, 422, 422, 422, 422, 403, {"password": PASSWORD, "confirm": "{email}"}
    ),
    Row("POST", ME + "/email", 409, 409, 409, 409, 409, 403, {"email": "{email}", "password": PASSWORD}),
    Row("POST", ME + "/verify/send", 409, 409, 409, 409, 409, 403),
    Row("POST", ME + "/password", 204, 204, 204, 204, 204, 403, NEW_PASSWORD),
    Row("GET", ME + "/sessions", 200, 200, 200, 200, 200, 403),
    Row("DELETE", ME + "/sessions/{session_id}", 204, 404, 404, 404, 404, 403),
    Row("POST", ME + "/logout-everywhere", 204, 204, 204, 204, 204, 403),
    Row("GET", ME + "/proof", 200, 200, 200, 200, 200, 403),
    Row("POST", ME + "/proof", 200, 200, 200, 200, 200, 403, {"password": PASSWORD}),
    Row("POST", ME + "/proof/passkey", 200, 409, 409, 409, 409, 403),
    Row("POST", ME + "/proof/provider", 404, 404, 404, 404, 404, 403, {"provider": "github"}),
    Row("GET", ME + "/identities", 200, 200, 200, 200, 200, 403),
    Row("DELETE", ME + "/identities/{identity_id}", 204, 404, 404, 404, 404, 403),
    Row("GET", ME + "/second-factor", 200, 200, 200, 200, 200, 403),
    Row("POST", ME + "/second-factor/totp", 200, 200, 200, 200, 200, 403, {"password": PASSWORD}),
    Row("POST", ME + "/second-factor/totp/confirm", 409, 409, 409, 409, 409, 403, {"code": "000000"}),
    Row("POST", ME + "/second-factor/totp/disable", 409, 409, 409, 409, 409, 403, BOTH_FACTORS),
    Row("POST", ME + "/second-factor/recovery-codes", 409, 409, 409, 409, 409, 403, {"password": PASSWORD}),
    Row("GET", ME + "/passkeys", 200, 200, 200, 200, 200, 403),
    Row("POST", ME + "/passkeys/begin", 200, 200, 200, 200, 200, 403, {"password": PASSWORD}),
    Row("POST", ME + "/passkeys", 422, 422, 422, 422, 422, 403, MADE_UP_PASSKEY),
    Row("PUT", ME + "/passkeys/{passkey_id}", 200, 404, 404, 404, 404, 403, {"name": "Laptop"}),
    Row("DELETE", ME + "/passkeys/{passkey_id}", 204, 404, 404, 404, 404, 403, {"password": PASSWORD}),
    Row("GET", B + "/org", 200, 200, 200, 200, 200, 403),
    Row("PUT", B + "/org", 200, 200, 403, 403, 200, 403, {"name": "Renamed"}),
    Row("GET", B + "/orgs", 200, 200, 200, 200, 200, 403),
    Row("POST", B + "/orgs", 201, 201, 201, 201, 201, 403, {"name": "Another"}),
    Row("GET", B + "/org/audit-logs", 200, 200, 403, 403, 200, 403),
    Row("GET", B + "/org/audit-logs/chain", 200, 200, 403, 403, 200, 403),
    Row("GET", B + "/org/audit-logs/export", 200, 200, 403, 403, 200, 403),
    Row("GET", SSO, 200, 200, 403, 403, 200, 403),
    Row("POST", SSO, 201, 201, 403, 403, 201, 403, CONNECTION),
    Row("GET", SSO + "/scim-token", 200, 200, 403, 403, 200, 403),
    Row("POST", SSO + "/scim-token", 201, 201, 403, 403, 201, 403),
    Row("DELETE", SSO + "/scim-token", 204, 204, 403, 403, 404, 403),
    Row("GET", SSO + "/{connection_id}", 200, 200, 403, 403, 404, 403),
    Row("PUT", SSO + "/{connection_id}", 200, 200, 403, 403, 404, 403, CONNECTION),
    Row("DELETE", SSO + "/{connection_id}", 204, 204, 403, 403, 404, 403),
    Row("POST", SSO + "/{connection_id}/test", 200, 200, 403, 403, 404, 403),
    Row("POST", SSO + "/{connection_id}/verify-domains", 200, 200, 403, 403, 404, 403),
    Row("GET", KEYS, 200, 200, 403, 403, 200, 403),
    Row("POST", KEYS, 201, 201, 403, 403, 201, 403, {"name": "Key", "scopes": ["agents:read"]}),
    Row("POST", KEYS + "/{key_id}/rotate", 200, 403, 403, 403, 404, 403, {}),
    Row("DELETE", KEYS + "/{key_id}", 204, 204, 403, 403, 404, 403),
    Row("POST", B + "/auth/switch", 200, 200, 200, 200, 404, 403, {"org_id": "{org_id}"}),
    Row("GET", MEMBERS, 200, 200, 200, 200, 200, 403),
    Row("PUT", MEMBERS + "/{user_id}/role", 200, 200, 403, 403, 404, 403, {"role": "editor"}),
    Row("PUT", MEMBERS + "/{user_id}/status", 200, 200, 403, 403, 404, 403, {"status": "deactivated"}),
    Row("DELETE", MEMBERS + "/{user_id}", 204, 204, 403, 403, 404, 403),
    Row("POST", B + "/org/transfer", 200, 403, 403, 403, 404, 403, {"user_id": "{user_id}"}),
    Row("GET", INVITATIONS, 200, 200, 403, 403, 200, 403),
    Row("POST", INVITATIONS, 201, 201, 403, 403, 201, 403, {"email": "{email}", "role": "viewer"}),
    Row("POST", INVITATIONS + "/{invitation_id}/resend", 429, 429, 403, 403, 404, 403),
    Row("DELETE", INVITATIONS + "/{invitation_id}", 204, 204, 403, 403, 404, 403),
    Row("GET", TEAMS, 200, 200, 200, 200, 200, 403),
    Row("POST", TEAMS, 201, 201, 403, 403, 201, 403, {"name": "{email}"}),
    Row("GET", TEAMS + "/{team_id}", 200, 200, 200, 200, 404, 403),
    Row("PUT", TEAMS + "/{team_id}", 200, 200, 403, 403, 404, 403, {"name": "{email}"}),
    Row("DELETE", TEAMS + "/{team_id}", 204, 204, 403, 403, 404, 403),
    Row("PUT", TEAMS + "/{team_id}/members/{user_id}", 200, 200, 403, 403, 404, 403),
    Row("DELETE", TEAMS + "/{team_id}/members/{user_id}", 204, 204, 403, 403, 404, 403),
    Row("POST", B + "/org/export", 202, 403, 403, 403, 202, 403),
    Row("GET", EXPORTS, 200, 403, 403, 403, 200, 403),
    Row("GET", EXPORTS + "/{export_id}", 200, 403, 403, 403, 404, 403),
    Row("GET", EXPORTS + "/{export_id}/download", 200, 403, 403, 403, 404, 403),
    Row("DELETE", B + "/org", 204, 403, 403, 403, 422, 403, {"confirm": "{slug}", "without_export": True}),
    Row("GET", OPERATOR + "/organizations", 403, 403, 403, 403, 403, 403),
    Row("PUT", OPERATOR + "/organizations/{org_id}/status", 403, 403, 403, 403, 403, 403, SUSPENDED),
    Row("GET", OPERATOR + "/health", 403, 403, 403, 403, 403, 403),
    Row("GET", OPERATOR + "/users", 403, 403, 403, 403, 403, 403, query="?email=a@example.com"),
    Row("PUT", OPERATOR + "/users/{user_id}/status", 403, 403, 403, 403, 403, 403, {"status": "active"}),
    Row("GET", B + "/agents", 200, 200, 200, 200, 200, 403),
    Row("POST", B + "/agents", 201, 201, 201, 403, 201, 403, {"name": "New"}),
    Row("GET", AGENT, 200, 200, 200, 200, 404, 403),
    Row("PUT", AGENT, 200, 200, 200, 403, 404, 403, {"name": "Other"}),
    Row("DELETE", AGENT, 204, 204, 403, 403, 404, 403),
    Row("PUT", AGENT + "/status", 200, 200, 200, 403, 404, 403, {"status": "paused"}),
    Row("GET", AGENT + "/draft", 200, 200, 200, 200, 404, 403),
    Row("PUT", AGENT + "/draft", 200, 200, 200, 403, 404, 403, {"definition": GREETING, "revision": 2}),
    Row("POST", AGENT + "/publish", 201, 201, 201, 403, 404, 403, {"definition": GREETING}),
    Row("GET", AGENT + "/versions", 200, 200, 200, 200, 404, 403),
    Row("GET", AGENT + "/versions/{number}", 200, 200, 200, 200, 404, 403),
    Row("GET", AGENT + "/versions/{number}/diff/{other}", 200, 200, 200, 200, 404, 403),
    Row("POST", AGENT + "/versions/{number}/restore", 200, 200, 200, 403, 404, 403),
    Row("POST", AGENT + "/execute", 202, 202, 202, 403, 404, 403, {"trigger_data": {}}),
    Row("POST", AGENT + "/test", 202, 202, 202, 403, 404, 403, {"trigger_data": {}}),
    Row("GET", AGENT + "/executions", 200, 200, 200, 200, 404, 403),
    Row("GET", B + "/executions", 200, 200, 200, 200, 200, 403),
    Row("GET", RUN, 200, 200, 200, 200, 404, 403),
    Row("GET", RUN + "/steps", 200, 200, 200, 200, 404, 403),
    Row("GET", RUN + "/payloads/{payload_id}", 200, 200, 200, 200, 404, 403),
    Row("GET", RUN + "/logs", 200, 200, 200, 200, 404, 403),
    Row("GET", RUN + "/events", None, 200, 200, 200, 404, 403),
    Row("POST", RUN + "/cancel", 202, 202, 202, 403, 404, 403),
    Row("POST", RUN + "/resume", 409, 409, 409, 403, 404, 403, {"version": 1}),
    Row("POST", RUN + "/replay", 202, 202, 202, 403, 404, 403, {"from_node": "review"}),
    Row("GET", RUN + "/compare/{other_id}", 200, 200, 200, 200, 404, 403),
    Row("POST", RUN + "/steps/{step_id}/resolve", 409, 409, 409, 403, 404, 403, {"outcome": "retry"}),
    Row("POST", RUN + "/approve", 200, 200, 200, 403, 404, 403, {"decision": "rejected"}),
    Row("GET", B + "/approvals", 200, 200, 200, 200, 200, 403),
    Row("GET", B + "/org/secrets", 200, 200, 200, 403, 200, 403),
    Row("POST", B + "/org/secrets", 201, 201, 403, 403, 201, 403, {"name": "S{fresh}", "value": "a secret"}),
    Row("GET", B + "/org/secrets/{secret_id}", 200, 200, 200, 403, 404, 403),
    Row("PUT", B + "/org/secrets/{secret_id}", 200, 200, 403, 403, 404, 403, {"value": "another"}),
    Row("DELETE", B + "/org/secrets/{secret_id}", 204, 204, 403, 403, 404, 403),
    Row("GET", B + "/org/variables", 200, 200, 200, 200, 200, 403),
    Row("POST", B + "/org/variables", 201, 201, 201, 403, 201, 403, {"name": "v{fresh}", "value": 1}),
    Row("GET", B + "/org/variables/{variable_id}", 200, 200, 200, 200, 404, 403),
    Row("PUT", B + "/org/variables/{variable_id}", 200, 200, 200, 403, 404, 403, {"value": 2}),
    Row("DELETE", B + "/org/variables/{variable_id}", 204, 204, 204, 403, 404, 403),
    Row("GET", B + "/org/credentials", 200, 200, 200, 403, 200, 403),
    Row("POST", B + "/org/credentials", 201, 201, 403, 403, 201, 403, BEARER),
    Row("GET", B + "/org/credentials/{credential_id}", 200, 200, 200, 403, 404, 403),
    Row("PUT", B + "/org/credentials/{credential_id}", 200, 200, 403, 403, 404, 403, {"description": "x"}),
    Row("POST", B + "/org/credentials/{credential_id}/test", 200, 200, 403, 403, 404, 403, {}),
    Row("DELETE", B + "/org/credentials/{credential_id}", 204, 204, 403, 403, 404, 403),
)
OPEN = {
    "POST " + B + "/auth/signup": 422,
    "POST " + B + "/auth/login": 422,
    "POST " + B + "/auth/login/second-factor": 422,
    "POST " + B + "/auth/passkey/begin": 200,
    "POST " + B + "/auth/passkey": 422,
    "POST " + B + "/auth/password/forgot": 422,
    "POST " + B + "/auth/password/reset": 422,
    "POST " + B + "/auth/verify": 422,
    "POST " + B + "/auth/refresh": 401,
    "POST " + B + "/auth/logout": 204,
    "GET " + B + "/auth/sso/start": 303,
    "GET " + B + "/auth/sso/home": 422,
    "GET " + B + "/auth/sso/callback": 303,
    "POST " + B + "/auth/sso/saml/{connection_id}/acs": 303,
    "GET " + B + "/auth/sso/saml/{connection_id}/metadata": 404,
    # What SCIM answers with a token, or another's, is tested in tests/sso/test_provisioning.py.
    "GET " + B + "/scim/v2/ServiceProviderConfig": 401,
    "GET " + B + "/scim/v2/ResourceTypes": 401,
    "GET " + B + "/scim/v2/ResourceTypes/{name}": 401,
    "GET " + B + "/scim/v2/Schemas": 401,
    "GET " + B + "/scim/v2/Schemas/{name}": 401,
    "GET " + B + "/scim/v2/Users": 401,
    "POST " + B + "/scim/v2/Users": 401,
    "GET " + B + "/scim/v2/Users/{user_id}": 401,
    "PUT " + B + "/scim/v2/Users/{user_id}": 401,
    "PATCH " + B + "/scim/v2/Users/{user_id}": 401,
    "DELETE " + B + "/scim/v2/Users/{user_id}": 401,
    "GET " + B + "/scim/v2/Groups": 401,
    "POST " + B + "/scim/v2/Groups": 401,
    "GET " + B + "/scim/v2/Groups/{team_id}": 401,
    "PUT " + B + "/scim/v2/Groups/{team_id}": 401,
    "PATCH " + B + "/scim/v2/Groups/{team_id}": 401,
    "DELETE " + B + "/scim/v2/Groups/{team_id}": 401,
    "POST " + B + "/hooks/{token}": 404,
    "POST " + B + "/public/resume/{token}": 404,
    "GET " + B + "/public/forms/{token}": 404,
    "POST " + B + "/public/forms/{token}": 404,
    "GET " + B + "/invitations/{token}": 404,
    "POST " + B + "/invitations/{token}/accept": 404,
    "GET " + B + "/exports/{ticket}": 404,
    "GET " + B + "/schemas/definition": 200,
    "GET " + B + "/node-kinds": 200,
    "GET /healthz": 200,
    "GET /readyz": 200,
    "GET /metrics": 200,
}


@dataclass(frozen=True)
class World:
    """Alice's organization with one of each thing, and a bare client for anybody."""

    people: People
    client: httpx.AsyncClient
    ids: dict[str, str]

    @property
    def alice(self) -> Person:
        return self.people.alice

    @property
    def mallory(self) -> Person:
        return self.people.mallory

    async def call(self, row: Row, headers: dict[str, str]) -> httpx.Response:
        path = row.path.format(**self.ids) + row.query
        body = _filled(row.body, self.ids)
        return await self.client.request(row.method, path, json=body, headers=headers)

    def trace(self, postgres_url: str) -> dict[str, str]:
        """All that a refused call could have changed: a sum of each table's rows of alice's organization."""
        people = (self.people.alice, self.people.bob, self.people.carol, self.people.erin)
        members = [person.actor.user_id for person in people]
        found = {}
        with psycopg.connect(postgres_url) as connection:
            for table, column in connection.execute(OWNED).fetchall():
                of_people = column == "user_id" or table == "users"
                query = sql.SQL(SUM).format(table=sql.Identifier(table), owner=sql.Identifier(column))
                owners = members if of_people else [self.alice.org_id]
                [(found[table],)] = connection.execute(query, (owners,)).fetchall()
        return found


def _filled(body: Any, ids: dict[str, str]) -> Any:
    """The body with the ids that it names, and a name that nothing has yet where it says `{fresh}`."""
    text = json.dumps(body).replace("{fresh}", new_id().hex.upper())
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


def named_by(row: Row) -> set[str]:
    """The things that a call names in its path and body."""
    return set(re.findall(r"\{(\w+)\}", row.path + json.dumps(row.body)))


async def _things(api: FastAPI, people: People, row: Row | None = None) -> dict[str, str]:
    """What the paths name, all of it new and alice's; for a `row` only what it names."""
    alice = people.alice
    found = {
        "org_id": str(alice.org_id),
        "slug": alice.org_id.hex,
        "email": unique_email("somebody"),
        "ticket": "unknown",
        "number": "1",
        "other": "1",
        "token": "unknown",
        "name": "User",
        **await _ways_in(alice),
    }
    for names, make in MAKERS.items():
        if row is None or not named_by(row).isdisjoint(names):
            found |= await make(api, alice)
    return found


async def _ways_in(alice: Person) -> dict[str, str]:
    """A second session, a passkey, an identity at a provider, and the proof that this session is hers."""
    session, passkey, identity = new_id(), new_id(), new_id()
    async with database().system() as tx:
        await open_page_session(tx, Identity(alice.actor.user_id or new_id(), alice.org_id, session))
        fields = {"credential_id": passkey.bytes, "public_key": b"", "transports": []}
        tx.add(SocialIdentity(id=identity, user_id=alice.actor.user_id, issuer="x", subject=identity.hex))
        claims = tokens.read_access_token(alice.token)
        assert claims
        assert claims.session_id
        await keep_proof(tx, claims.session_id, claims.user_id)
        tx.add(Passkey(id=passkey, user_id=alice.actor.user_id, name="Phone", **fields))
    await alice.client.post("/org/sso/scim-token")
    return {"session_id": str(session), "passkey_id": str(passkey), "identity_id": str(identity)}


async def _run(api: FastAPI, alice: Person) -> dict[str, str]:
    agent_id = await published(alice, REVIEW)
    started = await alice.client.post(f"/agents/{agent_id}/execute", json={})
    run = started.json()["id"]
    async with running():
        async for event in follow(alice.actor, run):
            if event["type"] == "execution.waiting":
                break
    steps = (await alice.client.get(f"/executions/{run}/steps")).json()["data"]
    payload = new_id()
    async with database().transaction(alice.actor) as tx:
        tx.add(Payload(execution_id=UUID(run), id=payload, org_id=alice.org_id, size=9, content=[run]))
    things = {"agent_id": agent_id, "execution_id": run, "other_id": run, "step_id": steps[0]["id"]}
    return {**things, "payload_id": str(payload)}


async def _invitation(api: FastAPI, alice: Person) -> dict[str, str]:
    body = {"email": unique_email("invited"), "role": "editor"}
    return {"invitation_id": (await alice.client.post("/org/invitations", json=body)).json()["id"]}


async def _team(api: FastAPI, alice: Person) -> dict[str, str]:
    member = await join(api, alice, "member", "viewer")
    team = (await alice.client.post("/org/teams", json={"name": unique_email("team")})).json()["id"]
    await alice.client.put(f"/org/teams/{team}/members/{member.actor.user_id}")
    return {"team_id": team, "user_id": str(member.actor.user_id)}


async def _export(api: FastAPI, alice: Person) -> dict[str, str]:
    return {"export_id": (await alice.client.post("/org/export")).json()["id"]}


async def _listed_key(api: FastAPI, alice: Person) -> dict[str, str]:
    body = {"name": "Listed", "scopes": ["agents:read"]}
    return {"key_id": (await alice.client.post("/org/api-keys", json=body)).json()["id"]}


async def _schedule(api: FastAPI, alice: Person) -> dict[str, str]:
    clock = await published(alice, definition(node("clock", "trigger.schedule", cron="0 0 29 2 *")))
    schedules = await alice.client.get("/schedules", params={"agent_id": clock})
    return {"schedule_id": schedules.json()["data"][0]["id"]}


async def _vault(api: FastAPI, alice: Person) -> dict[str, str]:
    # The credential's host is private: a test of it is refused before anything is sent.
    bodies = {
        "secret": {"name": "S{fresh}", "value": "a secret"},
        "variable": {"name": "v{fresh}", "value": 1},
        "credential": {**BEARER, "allowed_hosts": ["127.0.0.1:9"]},
    }
    found = {}
    for thing, body in bodies.items():
        made = await alice.client.post(f"/org/{thing}s", json=_filled(body, {}))
        found[f"{thing}_id"] = made.json()["id"]
    return found


async def _connection(api: FastAPI, alice: Person) -> dict[str, str]:
    made = await alice.client.post("/org/sso", json=_filled(CONNECTION, {}))
    return {"connection_id": made.json()["id"]}


MAKERS = {
    ("agent_id", "execution_id", "other_id", "step_id", "payload_id"): _run,
    ("invitation_id",): _invitation,
    ("team_id", "user_id"): _team,
    ("export_id",): _export,
    ("key_id",): _listed_key,
    ("schedule_id",): _schedule,
    ("secret_id", "variable_id", "credential_id"): _vault,
    ("connection_id",): _connection,
}


@pytest.fixture(scope="module")
async def world(api: FastAPI) -> AsyncIterator[World]:
    """One for all: refused calls change nothing in it, and what changes something gets a world of its own."""
    async with new_people(api) as people, _bare_client(api) as client:
        ids = await _things(api, people)
        await write_export(UUID(ids["export_id"]))
        yield World(people, client, ids)


def _bare_client(api: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://agentflow.test")


@asynccontextmanager
async def _own_world(api: FastAPI) -> AsyncIterator[World]:
    async with new_people(api) as people, _bare_client(api) as client:
        yield World(people, client, {})


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _key(person: Person, *scopes: str, **fields: Any) -> str:
    secret = new_secret("af_")
    async with database().transaction(person.actor) as tx:
        tx.add(
            ApiKey(
                org_id=person.org_id,
                created_by=person.actor.user_id,
                name="Key",
                key_hash=digest(secret),
                key_prefix=secret[:8],
                scopes=list(scopes),
                **fields,
            )
        )
    return secret


def _forged(person: Person, header: dict[str, Any], key: Any, **changes: Any) -> str:
    claims = {
        "iss": "agentflow",
        "sub": str(person.actor.user_id),
        "org": str(person.org_id),
        "iat": int(utcnow().timestamp()),
        "exp": int(utcnow().timestamp()) + 900,
    } | changes
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def _unsigned(person: Person) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"iss": "agentflow", "sub": str(person.actor.user_id), "org": str(person.org_id), "exp": 2**31}
    return f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims)}."


async def _worthless(world: World) -> dict[str, dict[str, str]]:
    """Credentials that must be as good as none."""
    alice = world.alice
    right = tokens._key()
    good = {"alg": "HS256", "typ": "at+jwt"}
    async with database().system() as tx:
        who = Identity(alice.actor.user_id or new_id(), alice.org_id)
        page, renewal = await open_page_session(tx, who), await open_refresh(tx, who)
    cookies = f"{SESSION_COOKIE}={page}; {REFRESH_COOKIE}={renewal}; access_token={alice.token}"
    everything = ("agents:read", "agents:write", "executions:read", "executions:write")
    past = int(utcnow().timestamp()) - 1
    head, claims, _ = alice.token.split(".")
    return {
        "nothing": {},
        "cookies": {"Cookie": cookies},
        "page session as bearer": _bearer(page),
        "refresh token as bearer": _bearer(renewal),
        "basic": {"Authorization": f"Basic {alice.token}"},
        "expired": _bearer(_forged(alice, good, right, exp=past)),
        "without end": _bearer(_forged(alice, good, right, exp=None)),
        "of another issuer": _bearer(_forged(alice, good, right, iss="else")),
        "of another type": _bearer(_forged(alice, {"alg": "HS256", "typ": "JWT"}, right)),
        "of another key": _bearer(_forged(alice, good, OctKey.generate_key(256))),
        "of another algorithm": _bearer(_forged(alice, good | {"alg": "HS512"}, right)),
        "asymmetric": _bearer(_forged(alice, good | {"alg": "RS256"}, RSAKey.generate_key(2048))),
        "unsigned": _bearer(_unsigned(alice)),
        "signature cut": _bearer(f"{head}.{claims}."),
        "own jwk": _bearer(
            _forged(alice, good | {"jwk": {"kty": "oct", "k": "AA"}}, OctKey.import_key("x" * 32))
        ),
        "kid of a file": _bearer(
            _forged(alice, good | {"kid": "../../dev/null"}, OctKey.import_key("x" * 32))
        ),
        "no member": _bearer(issue_access_token(world.mallory.actor.user_id or new_id(), alice.org_id)),
        "unknown user": _bearer(issue_access_token(new_id(), alice.org_id)),
        "unknown key": {"X-API-Key": new_secret("af_")},
        "expired key": {"X-API-Key": await _key(alice, *everything, expires_at=utcnow() - timedelta(1))},
        "inactive key": {"X-API-Key": await _key(alice, *everything, is_active=False)},
    }


def _name(row: Row) -> str:
    return f"{row.method} {row.path.removeprefix(B)}"


async def test_the_trace_shows_what_is_done(api: FastAPI, postgres_url: str) -> None:
    async with _own_world(api) as own:
        before = own.trace(postgres_url)
        await own.alice.client.put("/auth/profile", json={"name": "Renamed"})
        await own.alice.client.post("/org/variables", json={"name": "x", "value": 1})
        after = own.trace(postgres_url)
    changed = {table for table in before if before[table] != after[table]}
    assert {"users", "variables", "audit_logs"} <= changed


async def test_the_table_lists_every_route(world: World) -> None:
    paths = (await world.client.get(B + "/openapi.json")).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, calls in paths.items() for method in calls}
    assert routes == {f"{row.method} {row.path}" for row in TABLE} | set(OPEN)


@pytest.fixture(scope="module")
async def worthless(world: World) -> dict[str, dict[str, str]]:
    return await _worthless(world)


@pytest.fixture(scope="module")
async def bare_keys(world: World) -> dict[str, dict[str, str]]:
    """Without scopes, in either header."""
    return {
        "bare key": {"X-API-Key": await _key(world.alice)},
        "bare key as bearer": _bearer(await _key(world.alice)),
    }


@pytest.mark.parametrize("row", TABLE, ids=_name)
async def test_who_may_call_what(
    api: FastAPI,
    world: World,
    worthless: dict[str, dict[str, str]],
    bare_keys: dict[str, dict[str, str]],
    row: Row,
    postgres_url: str,
) -> None:
    before = world.trace(postgres_url)
    for kind, headers in worthless.items():
        answer = await world.call(row, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), kind
    for name, headers in bare_keys.items():
        answer = await world.call(row, headers)
        assert answer.status_code == row.bare_key, (name, answer.text)
    callers = _callers(world.people, row)
    for person, expected in callers:
        if expected is not None and not _is_done(expected):
            answer = await world.call(row, _bearer(person.token))
            assert answer.status_code == expected, (person.actor.role, answer.text)
    if row.other == 404:
        await _looks_unknown(world, row, await world.call(row, _bearer(world.mallory.token)))
    async with _own_world(api) as own:
        other = await world.call(row, _bearer(own.mallory.token))
        assert other.status_code == row.other, other.text
        assert world.trace(postgres_url) == before
        for place, (person, expected) in enumerate(callers):
            if expected is not None and _is_done(expected) and not row.endless:
                # What one of them changed must not be in the next one's way.
                mine = world if row.method == "GET" else replace(own, ids=await _things(api, own.people, row))
                caller = person if mine is world else _callers(own.people, row)[place][0]
                answer = await mine.call(row, _bearer(caller.token))
                assert answer.status_code == expected, (person.actor.role, answer.text)


def _is_done(status: int) -> bool:
    """Whether the caller may: what comes too soon after the last time is allowed, too."""
    return status < 400 or status == 429


def _callers(people: People, row: Row) -> tuple[tuple[Person, int | None], ...]:
    return (
        (people.bob, row.viewer),
        (people.erin, row.editor),
        (people.carol, row.admin),
        (people.alice, row.owner),
    )


async def _looks_unknown(world: World, row: Row, other: httpx.Response) -> None:
    """Another organization's thing is answered byte for byte as one that never was."""
    ids = {name: str(new_id()) if name.endswith("_id") else value for name, value in world.ids.items()}
    unknown = await replace(world, ids=ids).call(row, _bearer(world.mallory.token))
    looks = other.text
    for name in ids:
        if name.endswith("_id"):
            looks = looks.replace(world.ids[name], ids[name])
    assert (unknown.status_code, unknown.text) == (404, looks)


@pytest.mark.parametrize(("call", "expected"), OPEN.items())
async def test_what_needs_no_login(world: World, call: str, expected: int) -> None:
    method, path = call.split(" ")
    answer = await world.client.request(method, path.format(**world.ids))
    assert answer.status_code == expected, answer.text


async def test_a_key_never_decides_and_never_outgrows_its_maker(world: World) -> None:
    full = await _key(world.alice, "executions:read", "executions:write", "approvals:decide")
    run = f"{RUN.format(**world.ids)}"
    decided = await world.client.post(
        run + "/approve", json={"decision": "approved"}, headers={"X-API-Key": full}
    )
    assert (decided.status_code, decided.json()["error"]["code"]) == (403, "FORBIDDEN")
    bobs = await _key(world.people.bob, "agents:read", "agents:write", "executions:write")
    made = await world.client.post(B + "/agents", json={"name": "x"}, headers={"X-API-Key": bobs})
    assert made.status_code == 403
    assert (await world.client.get(B + "/agents", headers={"X-API-Key": bobs})).status_code == 200


SMUGGLED = {"org_id", "organization_id", "user_id", "id", "role", "plan", "created_by", "status", "version"}
SMUGGLED |= {"is_active", "email_verified_at", "slug", "deleted_at", "__proto__", "permissions"}


async def test_nothing_is_assigned_that_a_call_does_not_name(world: World, postgres_url: str) -> None:
    """As the owner, who may do all of it."""
    before = world.trace(postgres_url)
    rows = [row for row in TABLE if isinstance(row.body, dict) and not row.path.startswith(OPERATOR)]
    taken = _fields_of((await world.client.get(B + "/openapi.json")).json())
    for row in rows:
        known = taken[f"{row.method} {row.path}"]
        for name in sorted(SMUGGLED - known):
            smuggling = replace(row, body={**row.body, name: str(world.mallory.org_id)})
            answer = await world.call(smuggling, _bearer(world.alice.token))
            assert answer.status_code == 422, (row.method, row.path, name, answer.text)
            assert name in answer.json()["error"]["details"]["fields"], (row.method, row.path, name)
    assert world.trace(postgres_url) == before


def _fields_of(document: dict[str, Any]) -> dict[str, set[str]]:
    """The fields that each call says that it takes."""
    found = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema:
                parts = [schema, *schema.get("anyOf", ())]
                names = [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]
                models = [document["components"]["schemas"][name] for name in names]
                found[f"{method.upper()} {path}"] = {f for model in models for f in model["properties"]}
    return found


async def test_ids_of_another_organization_inside_a_call_lead_nowhere(world: World) -> None:
    hers = (await world.alice.client.get(f"/executions/{world.ids['execution_id']}/steps")).json()["data"]
    waiting = next(step["id"] for step in hers if step["status"] == "waiting_approval")
    agent_id = await published(world.mallory, REVIEW)
    run = (await world.mallory.client.post(f"/agents/{agent_id}/execute", json={})).json()["id"]
    body = {"decision": "approved", "step_id": waiting}
    answer = await world.mallory.client.post(f"/executions/{run}/approve", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "STEP_NOT_FOUND")
    listed = await world.mallory.client.get("/executions", params={"agent_id": world.ids["agent_id"]})
    assert listed.json()["data"] == []
    found = await world.mallory.client.get("/executions", params={"search": world.ids["execution_id"]})
    assert found.json()["data"] == []
    key = {"Idempotency-Key": "the same for both"}
    first = await world.alice.client.post("/agents", json={"name": "Alice's"}, headers=key)
    second = await world.mallory.client.post("/agents", json={"name": "Alice's"}, headers=key)
    assert first.json()["id"] != second.json()["id"]
    await world.mallory.client.post(f"/executions/{run}/cancel")
