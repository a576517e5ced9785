"""Two runs side by side: what differs, step by step."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from agentflow_app.executions.base import ExecutionUseCases
from agentflow_app.executions.models import ExecutionStep
from agentflow_app.executions.schemas import ComparisonOut, Difference, StepDifference
from engine.events import money

_Place = tuple[str, tuple[int, ...]]
_Config = dict[str, Any] | None


class CompareUseCases(ExecutionUseCases):
    async def compare(self, execution_id: UUID, other_id: UUID) -> ComparisonOut:
        """Both of the actor's organization. Raises ExecutionNotFound."""
        self.actor.require("executions:read")
        rows = [await self.load(execution_id), await self.load(other_id)]
        shown, other = await self.render(rows)
        configs, their_configs = [_configs(await self.graph_of(row)) for row in rows]
        mine, theirs = await self._steps(execution_id), await self._steps(other_id)
        steps: list[StepDifference] = []
        same = 0
        for place in dict.fromkeys((*mine, *theirs)):
            node_id = place[0]
            asked = configs.get(node_id), their_configs.get(node_id)
            found = _difference(place, mine.get(place), theirs.get(place), asked)
            same += found is None
            steps += [found] if found else []
        return ComparisonOut(execution=shown, other=other, same_steps=same, steps=steps)

    async def _steps(self, execution_id: UUID) -> dict[_Place, ExecutionStep]:
        rows = await self.tx.execute(
            select(ExecutionStep)
            .where(col(ExecutionStep.execution_id) == execution_id)
            .order_by(col(ExecutionStep.step_order), col(ExecutionStep.id))
        )
        return {(row.node_id, tuple(row.iteration)): row for row in rows.scalars()}


def _difference(
    place: _Place,
    mine: ExecutionStep | None,
    theirs: ExecutionStep | None,
    configs: tuple[_Config, _Config],
) -> StepDifference | None:
    node_id, iteration = place
    if mine is None or theirs is None:
        only_in = "other" if mine is None else "execution"
        return StepDifference(node_id=node_id, iteration=list(iteration), only_in=only_in, changes={})
    before, after = _compared(mine, configs[0]), _compared(theirs, configs[1])
    if mine.taken_over or theirs.taken_over:
        # What was taken over has cost nothing the second time.
        before["cost"] = after["cost"] = None
    changes = {
        name: Difference(execution=before[name], other=after[name])
        for name in before
        if before[name] != after[name]
    }
    if mine.output_ref != theirs.output_ref:
        # What is shown of both is their beginning, which may well be the same.
        changes["output"] = Difference(execution=before["output"], other=after["output"])
    if not changes:
        return None
    return StepDifference(node_id=node_id, iteration=list(iteration), only_in=None, changes=changes)


def _configs(definition: dict[str, Any]) -> dict[str, _Config]:
    return {node["id"]: node.get("config") or {} for node in definition["nodes"]}


def _compared(step: ExecutionStep, config: _Config) -> dict[str, Any]:
    return {
        "status": step.status,
        "output": step.output_data,
        "error": step.error,
        "cost": money(Decimal(step.cost)),
        "duration_ms": step.duration_ms,
        "config": config,
    }
