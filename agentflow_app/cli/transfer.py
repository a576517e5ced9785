"""`agentflow import` and `agentflow export`: agents as files, through the server's REST API."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from agentflow_app.core.startup import StartupError

_EXPORTED = ("name", "description", "category", "settings")


def import_file(path: Path, name: str) -> str:
    """Creates an agent and returns a line about it."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be used: {error}") from error
    if not isinstance(content, dict):
        raise StartupError(f"{path} holds no agent: it should be a JSON object.")
    body = content if "definition" in content else {"definition": content}
    body = {**body, "name": name or body.get("name") or path.stem}
    with _client() as client:
        agent = _answer(client.post("/agents", json=body))
    return f"{agent['id']}  {agent['name']}"


def export_agent(wanted: str) -> str:
    """The agent's draft with its name and settings: what `import_file` takes."""
    with _client() as client:
        agent = _find(client, wanted)
        draft = _answer(client.get(f"/agents/{agent['id']}/draft"))
    kept = {name: agent[name] for name in _EXPORTED if agent.get(name) is not None}
    return json.dumps({**kept, "definition": draft["definition"]}, indent=2, ensure_ascii=False)


@contextmanager
def _client() -> Iterator[httpx.Client]:
    key = os.environ.get("AGENTFLOW_API_KEY") or os.environ.get("AGENTFLOW_TOKEN")
    if not key:
        raise StartupError("Set AGENTFLOW_API_KEY or AGENTFLOW_TOKEN: it says who you are to the server.")
    base = os.environ.get("AGENTFLOW_URL", "http://localhost:3000").rstrip("/")
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with httpx.Client(base_url=f"{base}/api/v1", headers=headers, timeout=30) as client:
            yield client
    except httpx.HTTPError as error:
        raise StartupError(f"{base} does not answer ({error}): set AGENTFLOW_URL.") from error


def _find(client: httpx.Client, wanted: str) -> dict[str, Any]:
    try:
        return _answer(client.get(f"/agents/{UUID(wanted)}"))
    except ValueError:
        found = _answer(client.get("/agents", params={"search": wanted, "limit": 100}))["data"]
    exact = [agent for agent in found if wanted in (agent["slug"], agent["name"])]
    if len(exact) != 1:
        raise StartupError(f"{len(exact) or 'No'} agents are called {wanted}: give the id.")
    return dict(exact[0])


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        return dict(response.json())
    try:
        error = response.json()["error"]
        said = (
            f"{error['code']}: {error['message']} {json.dumps(error['details']) if error['details'] else ''}"
        )
    except (ValueError, KeyError, TypeError):
        said = f"HTTP {response.status_code}"
    raise StartupError(f"The server refused: {said.strip()}")
