"""A new master key while runs go on; afterwards the old one is not needed."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select

from agentflow_app.cli import vault as commands
from agentflow_app.core.crypto import CannotUnseal, UnknownMasterKey, cell, rewrap
from agentflow_app.core.crypto.keyring import Keyring, make_keyring
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.master_keys import parse_master_keys
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.settings import Settings
from agentflow_app.executions.runtime import ExecutionRuntime
from agentflow_app.vault.rotation import rotate, sealed_columns, usage
from engine.testing import LocalEgress
from tests.actors import Person, definition, node
from tests.engine.http_server import serving
from tests.vault.test_runs import ask, echo, keep, run

NEW = f"new:{base64.b64encode(os.urandom(32)).decode()}"


class Keys:
    """The master keys of this process, exchanged while it runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        self._monkeypatch = monkeypatch
        self._settings = settings

    def from_settings(self, keys: str = "", folder: Path | None = None) -> None:
        changes = {"master_keys": SecretStr(keys), "data_dir": folder or self._settings.data_dir}
        self.use(make_keyring(self._settings.model_copy(update=changes)))

    def use(self, ring: Keyring) -> None:
        for module in ("agentflow_app.core.crypto.envelope", "agentflow_app.vault.rotation"):
            self._monkeypatch.setattr(f"{module}.keyring", lambda: ring)


@pytest.fixture
async def keys(monkeypatch: pytest.MonkeyPatch, settings: Settings, api: object) -> AsyncIterator[Keys]:
    """Afterwards everything is moved back: the database is shared. What other tests spoiled is taken away."""
    with owner_connection(settings) as connection:
        for column in sealed_columns():
            (key,) = column.table.primary_key.columns
            for row_id, blob in connection.execute(select(key, column).where(column.is_not(None))).all():
                try:
                    await rewrap(bytes(blob), cell(column.table.name, column.name, row_id))
                except (CannotUnseal, UnknownMasterKey):
                    connection.execute(delete(column.table).where(key == row_id))
        connection.commit()
    exchanged = Keys(monkeypatch, settings)
    yield exchanged
    (local,) = make_keyring(settings).key_ids
    own = bytes.fromhex(local_secrets(settings.data_dir).master_key)
    exchanged.use(Keyring({**parse_master_keys(NEW), local: own}, local))
    await rotate(settings)


def test_rotation_knows_every_sealed_column() -> None:
    found = {f"{column.table.name}.{column.name}" for column in sealed_columns()}
    assert {"secrets.value", "credentials.parts", "credentials.token", "agents.hook_sealed"} <= found
    assert all(len(column.table.primary_key.columns) == 1 for column in sealed_columns())


async def test_the_key_is_changed_while_runs_go_on(
    alice: Person,
    runtime: ExecutionRuntime,
    local_egress: LocalEgress,
    settings: Settings,
    keys: Keys,
    tmp_path: Path,
) -> None:
    for number in range(5):
        await keep(alice, "secrets", name=f"KEY_{number}", value=f"value-of-{number}")
    async with serving(echo) as server:
        url = server.url
        await keep(alice, "credentials", name="API", type="bearer", value="tok-123456", allowed_hosts=[url])
        headers = {f"X-{number}": f"{{{{ secrets.KEY_{number} }}}}" for number in range(5)}
        graph = definition(ask(url, headers=headers, credential_id="API"))
        going = asyncio.Event()
        ended: list[str] = []

        async def run_on() -> None:
            while not going.is_set() or len(ended) < 6:
                ended.append((await run(alice, graph))["status"])

        runs = [asyncio.create_task(run_on()) for _ in range(3)]
        keys.from_settings(NEW)  # the old key still opens
        assert (await usage(settings)).old
        done = await rotate(settings)
        after = await usage(settings)
        keys.from_settings(NEW, tmp_path)  # and now it is gone
        await keep(alice, "secrets", name="LATER", value="a value of later")
        going.set()
        await asyncio.gather(*runs)

    assert done.moved >= 6
    assert (done.unreadable, after.active, after.old) == (0, "new", [])
    assert set(ended) == {"completed"}
    assert all(request.headers["x-4"] == "value-of-4" for request in server.requests)


async def test_what_cannot_be_opened_is_counted_and_left(
    alice: Person, settings: Settings, keys: Keys, tmp_path: Path
) -> None:
    await keep(alice, "secrets", name="KEY", value="a value")
    before = await usage(settings)
    keys.from_settings(NEW, tmp_path)

    done = await rotate(settings)

    assert done.moved == 0
    assert done.unreadable == sum(before.values.values())
    assert (await usage(settings)).values == before.values


async def test_a_webhooks_address_survives_the_change(
    alice: Person, settings: Settings, keys: Keys, tmp_path: Path
) -> None:
    graph = definition(node("start", "trigger.webhook"), node("n", "action.set", values={"a": 1}))
    made = (await alice.client.post("/agents", json={"name": "Hook", "definition": graph})).json()
    await alice.client.post(f"/agents/{made['id']}/publish", json={})
    before = (await alice.client.get(f"/agents/{made['id']}")).json()["trigger_config"]["webhook_url"]

    keys.from_settings(NEW)
    await rotate(settings)
    keys.from_settings(NEW, tmp_path)

    after = (await alice.client.get(f"/agents/{made['id']}")).json()["trigger_config"]["webhook_url"]
    assert after == before
    assert (await alice.client.post(after.removeprefix("/api/v1"), json={})).status_code == 202


async def test_the_command_tells_what_is_needed(alice: Person, settings: Settings, keys: Keys) -> None:
    await keep(alice, "secrets", name="KEY", value="a value")
    keys.from_settings(NEW)

    assert "Run agentflow vault rotate" in await asyncio.to_thread(commands.status_text)
    text, complete = await asyncio.to_thread(commands.rotate_text)
    assert complete
    assert text.endswith("No other key is needed any more.")
    assert (await asyncio.to_thread(commands.status_text)).startswith("new  active")
