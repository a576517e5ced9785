import json
import secrets
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Installation, free_port

GREETING = {
    "schema_version": 1,
    "nodes": [
        {"id": "start", "type": "trigger", "subtype": "manual"},
        {
            "id": "greet",
            "type": "action",
            "subtype": "template",
            "label": "Greet them",
            "config": {"template": "Hello {{ trigger.data.name }}"},
        },
    ],
    "edges": [{"id": "e1", "source": "start", "target": "greet"}],
}


@pytest.fixture
def nowhere(tmp_path: Path) -> Installation:
    """A machine on which nothing was ever started."""
    return Installation(tmp_path / "data", free_port())


@pytest.fixture
def greeting(tmp_path: Path) -> Path:
    path = tmp_path / "greeting.json"
    path.write_text(json.dumps(GREETING))
    return path


def test_run_shows_each_step_and_the_output(nowhere: Installation, greeting: Path) -> None:
    done = nowhere.command("run", str(greeting), "--data", '{"name": "Ada"}')

    assert done.returncode == 0, done.stderr
    assert "✓ Greet them" in done.stdout
    assert "Hello Ada" in done.stdout


def test_run_marks_what_the_demo_model_said(nowhere: Installation, tmp_path: Path) -> None:
    node = {"id": "chat", "type": "ai", "subtype": "chat", "config": {"model": "demo", "prompt": "Say hello"}}
    path = tmp_path / "chat.json"
    path.write_text(json.dumps({"schema_version": 1, "nodes": [node], "edges": []}))

    done = nowhere.command("run", str(path))

    assert done.returncode == 0, done.stderr
    assert "demo model" in done.stdout


def test_run_of_a_failing_definition_exits_with_1(nowhere: Installation, greeting: Path) -> None:
    done = nowhere.command("run", str(greeting), "--data", "{}")

    assert done.returncode == 1
    assert "✗ Greet them" in done.stdout
    assert "Traceback" not in done.stderr


def test_run_stops_at_an_approval_that_nobody_can_give(nowhere: Installation, tmp_path: Path) -> None:
    definition = {
        "nodes": [{"id": "ask", "type": "human", "subtype": "approval", "config": {"message": "Send?"}}]
    }
    path = tmp_path / "ask.json"
    path.write_text(json.dumps({"schema_version": 1, "edges": [], **definition}))

    done = nowhere.command("run", str(path))

    assert done.returncode == 3
    assert "waits for approval" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "is not JSON"),
        ('{"nodes": 7}', "This is not a definition"),
        (
            '{"schema_version": 1, "nodes": [{"id": "x", "type": "no", "subtype": "such"}], "edges": []}',
            "cannot run",
        ),
    ],
)
def test_run_refuses_what_it_cannot_run(
    nowhere: Installation, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)

    done = nowhere.command("run", str(path))

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_agent_goes_out_and_in_again(stack: Installation, greeting: Path, tmp_path: Path) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    account = {"email": email, "password": "a long passphrase 7", "name": "Ada", "org_name": "Engines"}
    signed_up = httpx.post(f"{stack.url}/api/v1/auth/signup", json=account)
    environment = {"AGENTFLOW_URL": stack.url, "AGENTFLOW_TOKEN": signed_up.json()["access_token"]}

    created = stack.command("import", str(greeting), "--name", "Greeter", **environment)
    assert created.returncode == 0, created.stderr
    exported = stack.command("export", "Greeter", "-o", str(tmp_path / "out.json"), **environment)
    assert exported.returncode == 0, exported.stderr
    again = stack.command("import", str(tmp_path / "out.json"), **environment)

    assert again.returncode == 0, again.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["name"] == "Greeter"
    assert [node["id"] for node in content["definition"]["nodes"]] == ["start", "greet"]
    missing = stack.command("export", "nobody", **environment)
    assert missing.returncode == 1
    assert "No agents are called nobody" in missing.stderr


def test_transfers_say_what_is_missing(nowhere: Installation, greeting: Path) -> None:
    assert "Set AGENTFLOW_API_KEY" in nowhere.command("import", str(greeting)).stderr
    unreachable = nowhere.command("import", str(greeting), AGENTFLOW_URL=nowhere.url, AGENTFLOW_TOKEN="t")
    assert unreachable.returncode == 1
    assert "does not answer" in unreachable.stderr
