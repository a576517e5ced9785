"""Whatever changes something is told in the audit trail: every call of the access matrix that writes."""

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from fastapi import FastAPI

from tests.core.test_access import TABLE, B, Row, _bearer, _name, _own_world, _things

UNTOLD = {
    f"PUT {B}/agents/{{agent_id}}/draft": "the working copy, saved at every keystroke; publishing is told",
    f"POST {B}/auth/second-factor/totp": "only offers a secret; confirming it is told",
    f"POST {B}/auth/passkeys/begin": "only asks the browser; adding the passkey is told",
    f"POST {B}/auth/proof/passkey": "only asks the browser; what the proof is for is told",
    f"POST {B}/agents/{{agent_id}}/execute": "the execution is itself the record of who started it",
    f"POST {B}/agents/{{agent_id}}/test": "the execution is itself the record of who started it",
    f"POST {B}/org/sso/{{connection_id}}/verify-domains": "told once a domain is verified, and none is here",
}
"""Calls that answer 2xx and leave no entry, and why."""
WRITING = [row for row in TABLE if row.method != "GET" and row.owner is not None and row.owner < 300]


def _told(postgres_url: str, org_id: UUID, user_id: UUID | None) -> list[str]:
    query = "SELECT action FROM audit_logs WHERE org_id = %s OR user_id = %s ORDER BY created_at, seq"
    with psycopg.connect(postgres_url) as connection:
        return [action for (action,) in connection.execute(query, (org_id, user_id))]


def test_what_is_not_told_is_a_call_that_there_is() -> None:
    assert set(UNTOLD) <= {f"{row.method} {row.path}" for row in WRITING}
    assert len(WRITING) > 40


@pytest.mark.parametrize("row", WRITING, ids=_name)
async def test_what_changes_something_is_told(api: FastAPI, row: Row, postgres_url: str) -> None:
    async with _own_world(api) as world:
        alice = world.alice
        mine = replace(world, ids=await _things(api, world.people, row))
        if row.method == "PUT" and row.path.endswith("/members/{user_id}"):
            await alice.client.delete(row.path.format(**mine.ids).removeprefix(B))
        before = _told(postgres_url, alice.org_id, alice.actor.user_id)
        answer = await mine.call(row, _bearer(alice.token))
        assert answer.status_code == row.owner, answer.text
        more = _told(postgres_url, alice.org_id, alice.actor.user_id)[len(before) :]
        assert bool(more) is (f"{row.method} {row.path}" not in UNTOLD), more
