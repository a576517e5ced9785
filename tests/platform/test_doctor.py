from pathlib import Path

from tests.support.processes import Installation, free_port


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
