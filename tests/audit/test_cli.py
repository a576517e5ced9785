"""`agentflow audit verify`, as an operator types it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from agentflow_app.cli.commands import app
from agentflow_app.core import migrations
from agentflow_app.core.settings import Settings
from tests.actors import Person


@pytest.fixture
async def org(alice: Person) -> str:
    await alice.client.post("/agents", json={"name": "x"})
    return str(alice.org_id)


@pytest.fixture
def forged(settings: Settings, org: str) -> Iterator[str]:
    """An organization whose trail somebody with all rights has changed; mended afterwards."""
    with migrations.owner_connection(settings) as connection:
        forge = text("UPDATE audit_logs SET action = :action WHERE org_id = :org")
        for action in ("agent.forged", "agent.created"):
            connection.execute(text("ALTER TABLE audit_logs DISABLE TRIGGER USER"))
            connection.execute(forge, {"action": action, "org": org})
            connection.execute(text("ALTER TABLE audit_logs ENABLE TRIGGER USER"))
            connection.commit()
            if action == "agent.forged":
                yield org


def test_a_whole_trail_ends_with_its_head(org: str) -> None:
    answer = CliRunner().invoke(app, ["audit", "verify"])
    assert answer.exit_code == 0
    (line,) = [each for each in answer.output.splitlines() if each.startswith(org)]
    assert "1 entries  intact" in line


def test_a_forged_trail_fails(forged: str) -> None:
    answer = CliRunner().invoke(app, ["audit", "verify"])
    assert answer.exit_code == 1
    assert f"{forged}         1 entries  BROKEN at entry 1" in answer.output
