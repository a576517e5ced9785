"""Starts the runs, and answers what they wait for, as clients do that do not give up."""

import asyncio
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import httpx

from agentflow_app.accounts.tokens import issue_access_token
from agentflow_app.core.ids import new_id
from tests.actors import Person, published
from tests.support.mixed_graphs import MIXED
from tests.support.outside import Outside

NAP = 6.0
PATIENCE = 0.3
"""Seconds between two tries."""


class LastingLogin(httpx.Auth):
    """A new token for each call: the chaos takes longer than one lasts."""

    def __init__(self, person: Person) -> None:
        self._actor = person.actor

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        assert self._actor.user_id is not None
        token = issue_access_token(self._actor.user_id, self._actor.org_id, new_id())
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


@dataclass(frozen=True)
class Started:
    graph: str
    key: str
    run_id: str


@dataclass
class Load:
    """`accepted` holds what was answered with a 2xx."""

    person: Person
    anonymous: httpx.AsyncClient
    world: Outside
    chance: random.Random
    accepted: list[Started] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    by_hand: dict[str, str] = field(default_factory=dict)
    by_hook: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Two agents for each graph: one that is called, one behind a webhook."""
        for name, made in MIXED.items():
            graph = made(self.world.url, NAP).to_json()
            self.by_hand[name] = await published(self.person, graph)
            graph["nodes"][0]["subtype"] = "webhook"
            agent_id = await published(self.person, graph)
            agent = (await self.person.client.get(f"/agents/{agent_id}")).json()
            self.by_hook[name] = agent["trigger_config"]["webhook_url"].removeprefix("/api/v1")

    async def start(self, number: int) -> None:
        """One run, asked for until it is accepted; often twice, since answers get lost."""
        name = self.chance.choice(sorted(MIXED))
        key = f"chaos-{number}"
        hook = self.chance.random() < 0.5
        again = self.chance.random() < 0.2
        run_id = await self._accepted(name, key, hook)
        if again:
            assert await self._accepted(name, key, hook) == run_id, "one key, one run"
        self.accepted.append(Started(name, key, run_id))

    async def _accepted(self, name: str, key: str, hook: bool) -> str:
        headers = {"Idempotency-Key": key}
        while True:
            if hook:
                answer = await self._tried(self.anonymous, "POST", self.by_hook[name], {"n": 1}, headers)
                field_of_id = "execution_id"
            else:
                path = f"/agents/{self.by_hand[name]}/execute"
                answer = await self._tried(
                    self.person.client, "POST", path, {"trigger_data": {"n": 1}}, headers
                )
                field_of_id = "id"
            if answer is not None and answer.is_success:
                found: str = answer.json()[field_of_id]
                return found
            await asyncio.sleep(PATIENCE)

    async def _tried(
        self, client: httpx.AsyncClient, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> httpx.Response | None:
        answer = await client.request(method, path, json=body, headers=headers)
        if not answer.is_success:
            self.refusals[f"{answer.status_code} {answer.json()['error']['code']}"] += 1
        return answer

    async def answer_forever(self) -> None:
        """Approves, calls and settles whatever waits for it."""
        while True:
            await asyncio.sleep(PATIENCE)
            for query in ("status=waiting&limit=100", "status=waiting&limit=100&order=asc"):
                answer = await self.person.client.get(f"/executions?{query}")
                if not answer.is_success:
                    self.refusals[f"{answer.status_code} while looking"] += 1
                    continue
                for run in answer.json()["data"]:
                    await self._answer(run)

    async def _answer(self, run: dict[str, Any]) -> None:
        try:
            await self.world.answer(run["id"])
        except KeyError:  # an error instead of what was asked for: it is asked again
            self.refusals["while answering"] += 1
