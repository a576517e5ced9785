import os
from pathlib import Path

import httpx
import psycopg

from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.ids import new_id
from tests.support.processes import Installation, eventually, free_port


def test_a_running_installation_is_well(stack: Installation) -> None:
    said = stack.command("doctor")

    assert said.returncode == 0, said.stdout
    for name in (
        "PostgreSQL",
        "pgvector",
        "schema",
        "app role",
        "Redis",
        "worker",
        "scheduler",
        "front end",
        "web",
    ):
        assert f"✓ {name}" in said.stdout
    assert "All is well." in said.stdout


def test_nothing_started_yet_is_said_with_how_to_start(tmp_path: Path) -> None:
    said = Installation(tmp_path / "data", free_port()).command("doctor")

    assert said.returncode == 1
    assert "does not exist yet" in said.stdout
    assert "→ start it: agentflow up" in said.stdout


def test_secrets_that_others_can_read_are_found(stack: Installation) -> None:
    secrets = stack.data_dir / "secrets.json"
    secrets.chmod(0o644)
    try:
        said = stack.command("doctor")
    finally:
        secrets.chmod(0o600)

    assert said.returncode == 1
    assert "✗ secrets" in said.stdout
    assert f"→ chmod 600 {secrets}" in said.stdout


def test_a_store_that_does_not_answer_is_one_finding_each(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", free_port())
    said = installation.command(
        "doctor",
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        REDIS_URL="redis://127.0.0.1:1/0",
        AGENTFLOW_SECRET_KEY="0123456789abcdef0123456789abcdef",
    )

    assert said.returncode == 1
    assert "✗ PostgreSQL" in said.stdout
    assert "✗ Redis" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr


def test_rows_that_break_a_rule_are_named(stack: Installation) -> None:
    """Of an installation that is in use: nothing, then what was made wrong, then nothing again."""
    email = f"{new_id().hex}@example.com"
    account = {"email": email, "password": "a long passphrase 7", "name": "Ada", "org_name": "Engines"}
    assert httpx.post(f"{stack.url}/api/v1/auth/signup", json=account).is_success
    kept = local_secrets(stack.data_dir)
    address = Postgres(stack.data_dir, kept.postgres_password, Path(os.devnull)).url
    some_run = "SELECT id FROM executions WHERE status = 'completed' LIMIT 1"
    with psycopg.connect(address, autocommit=True) as connection:
        eventually(lambda: connection.execute(some_run).fetchone())
        whole = stack.command("doctor", "--invariants")
        assert (whole.returncode, whole.stdout) == (0, "\nEvery rule holds.\n"), whole.stdout + whole.stderr
        row = connection.execute(some_run).fetchone()
        assert row is not None
        connection.execute("UPDATE executions SET event_seq = event_seq + 1 WHERE id = %s", row)
        try:
            broken = stack.command("doctor", "--invariants")
        finally:
            connection.execute("UPDATE executions SET event_seq = event_seq - 1 WHERE id = %s", row)
    assert broken.returncode == 1
    assert "gaps_in_events: 1" in broken.stdout
    assert f"{row[0]}: has " in broken.stdout
    assert stack.command("doctor", "--invariants").returncode == 0
