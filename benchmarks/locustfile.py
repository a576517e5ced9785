"""People and programs at the API, more and more of them, then at four fifths of what it can take.

`make load` runs it against an installation of its own; Locust runs it against any whose rate limits are off.
It fails when an answer is an error, when nothing answers, or when p99 at four fifths is a second or more.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from locust import HttpUser, LoadTestShape, constant_pacing, events, task
from locust.env import Environment

STAGE_SECONDS = 20
STAGES = (5, 10, 20, 40)
STEADY_SECONDS = 40
STEADY = 0.8
P99_MS = 1000.0
REQUESTS_PER_TASK = (1 * 1 + 1 * 2 + 10 * 2 + 4 * 3) / 16  # by the weights below
PASSWORD = "correct horse battery"
GRAPH = {
    "schema_version": 1,
    "nodes": [
        {"id": "start", "type": "trigger", "subtype": "manual"},
        {"id": "a", "type": "action", "subtype": "set", "config": {"values": {"n": "{{ trigger.data.n }}"}}},
        {"id": "b", "type": "action", "subtype": "template", "config": {"template": "{{ node_a.output.n }}"}},
    ],
    "edges": [
        {"id": "e1", "source": "start", "target": "a"},
        {"id": "e2", "source": "a", "target": "b"},
    ],
}


@dataclass
class Plan:
    """How fast each person goes, and what was seen so far."""

    seconds_per_task: float = 0.0
    rows: list[str] = field(default_factory=list)
    best: float = 0.0
    failed: bool = False


PLAN = Plan()


class Person(HttpUser):
    """Signs up, publishes an agent, and then works: runs are most of it."""

    agent: str = ""
    last_run: str = ""

    def wait_time(self) -> float:
        return float(constant_pacing(PLAN.seconds_per_task)(self)) if PLAN.seconds_per_task else 0.0

    def on_start(self) -> None:
        self.email = f"{uuid4().hex[:12]}@example.com"
        body = {"email": self.email, "password": PASSWORD, "name": "Ada", "org_name": "Load"}
        self._enter(self.client.post("/api/v1/auth/signup", json=body, name="sign up").json())
        self.publish()

    def _enter(self, login: dict[str, Any]) -> None:
        self.client.headers["Authorization"] = f"Bearer {login['access_token']}"

    @task(1)
    def sign_in(self) -> None:
        body = {"email": self.email, "password": PASSWORD}
        self._enter(self.client.post("/api/v1/auth/login", json=body, name="sign in").json())

    @task(1)
    def publish(self) -> None:
        self.agent = self.client.post("/api/v1/agents", json={"name": "Load"}, name="create agent").json()[
            "id"
        ]
        self.client.post(
            f"/api/v1/agents/{self.agent}/publish", json={"definition": GRAPH}, name="publish agent"
        )

    @task(10)
    def execute_and_follow(self) -> None:
        body = {"trigger_data": {"n": 1}}
        run = self.client.post(f"/api/v1/agents/{self.agent}/execute", json=body, name="execute").json()
        self.last_run = run["id"]
        headers = {"Accept": "text/event-stream"}
        path = f"/api/v1/executions/{self.last_run}/events"
        with self.client.get(
            path, headers=headers, stream=True, catch_response=True, name="stream"
        ) as answer:
            kinds = [
                json.loads(line.removeprefix(b"data: "))["type"]
                for line in answer.iter_lines()
                if line.startswith(b"data: ")
            ]
            if "execution.completed" not in kinds:
                answer.failure(f"The stream ended with {kinds[-1:]}")

    @task(4)
    def read(self) -> None:
        self.client.get("/api/v1/executions?limit=20", name="list runs")
        if self.last_run:
            self.client.get(f"/api/v1/executions/{self.last_run}", name="get run")
            self.client.get(f"/api/v1/executions/{self.last_run}/steps", name="list steps")


class Rising(LoadTestShape):
    """Each stage is measured by itself; the last one holds a steady part of the best."""

    began: ClassVar[float] = 0.0
    stage: ClassVar[int] = -1

    def tick(self) -> tuple[int, float] | None:
        at = self.get_run_time()
        stage = min(int(at // STAGE_SECONDS), len(STAGES))
        if stage != self.stage:
            self._next(stage)
        if at >= len(STAGES) * STAGE_SECONDS + STEADY_SECONDS:
            self._close()
            return None
        return STAGES[min(stage, len(STAGES) - 1)], 100.0

    def _next(self, stage: int) -> None:
        self._close()
        type(self).stage, type(self).began = stage, time.monotonic()
        if stage == len(STAGES):
            tasks = PLAN.best * STEADY / REQUESTS_PER_TASK
            PLAN.seconds_per_task = STAGES[-1] / tasks
        if self.runner is not None:
            self.runner.stats.reset_all()

    def _close(self) -> None:
        if self.runner is None or self.stage < 0:
            return
        total = self.runner.stats.total
        seconds = time.monotonic() - self.began
        per_second = total.num_requests / seconds
        steady = self.stage == len(STAGES)
        p50, p95, p99 = (total.get_response_time_percentile(part) or 0 for part in (0.5, 0.95, 0.99))
        people = f"{STAGES[-1]}, at {STEADY:.0%}" if steady else str(STAGES[self.stage])
        PLAN.rows.append(
            f"| {people} | {per_second:.0f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {total.num_failures} |"
        )
        PLAN.failed |= total.num_requests == 0 or total.num_failures > 0 or (steady and p99 >= P99_MS)
        PLAN.best = max(PLAN.best, 0.0 if steady else per_second)


@events.quitting.add_listener
def _tell(environment: Environment, **_: Any) -> None:
    print("| people | requests/s | p50 ms | p95 ms | p99 ms | errors |\n|---|---|---|---|---|---|")
    print("\n".join(PLAN.rows))
    environment.process_exit_code = 1 if PLAN.failed else 0
