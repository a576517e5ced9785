import pytest

from agentflow_app.core.embedded.secrets import local_secrets
from tests.support.processes import Installation, free_port


def _environment(stack: Installation) -> dict[str, str]:
    """What a container of this installation would be given."""
    password = local_secrets(stack.data_dir).postgres_password
    sockets = stack.data_dir / "run" / "postgres"
    return {"DATABASE_URL": f"postgresql://agentflow:{password}@/agentflow?host={sockets}"}


@pytest.mark.parametrize("role", ["web", "worker", "scheduler"])
def test_a_process_that_works_is_healthy(stack: Installation, role: str) -> None:
    pid = stack.processes()[role].pid

    assert stack.command("health", "--pid", str(pid), **_environment(stack)).returncode == 0


def test_a_web_process_that_does_not_answer_is_not(stack: Installation) -> None:
    elsewhere = Installation(stack.data_dir, free_port())

    assert elsewhere.command("health", "--pid", str(stack.processes()["web"].pid)).returncode == 1


def test_a_worker_whose_database_is_away_is_not(stack: Installation) -> None:
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}

    assert stack.command("health", "--pid", str(stack.processes()["worker"].pid), **away).returncode == 1
