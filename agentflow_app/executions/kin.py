"""Runs that call runs: who hears of an end, and whose run is not wanted any more.

The end of a run, the signal to the step that waits for it and its parent's waking are one transaction, as are
the end of a run and the cancelling of those that it waits for. A run's row is always locked before those that
it called, by whoever does it, so that nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from agentflow_app.core.jobs import hints
from agentflow_app.core.lanes import lanes, system_lane
from agentflow_app.core.pipeline import Statement
from agentflow_app.core.serialization import dumps
from agentflow_app.executions.base import RUN_JOB
from engine.events import money

_ENDED = "('completed', 'failed', 'cancelled')"
_OPEN = "('pending', 'running', 'waiting')"
_STEP_OPEN = "('pending', 'running', 'retrying', 'waiting', 'waiting_approval', 'uncertain')"

# What the parent does meanwhile waits for this, so that the step is seen as it is, not as it was.
_LOCK = b"SELECT 1 FROM executions WHERE id = %(parent)s FOR NO KEY UPDATE"
_SIGNAL = f"""
    UPDATE execution_steps s SET signal = %(signal)s::jsonb FROM executions c
    WHERE c.id = %(run)s AND c.epoch = %(epoch)s AND c.status IN {_ENDED} AND s.id = %(step)s
        AND s.execution_id = %(parent)s AND s.signal IS NULL
        AND s.status IN ('pending', 'running', 'retrying', 'waiting')
"""  # noqa: S608  # constants only
_WAKE = b"""
    UPDATE executions p SET wake_at = now() FROM execution_steps s
    WHERE p.id = %(parent)s AND p.status = 'waiting' AND s.id = %(step)s AND s.signal IS NOT NULL
"""
_CANCEL = f"""
    UPDATE executions c SET cancel_requested = true,
        wake_at = CASE WHEN c.status = 'waiting' THEN now() ELSE c.wake_at END
    FROM executions p
    WHERE p.id = %(run)s AND p.epoch = %(epoch)s AND p.status IN {_ENDED} AND c.parent_id = p.id
        AND c.parent_step_id IS NOT NULL AND c.status IN {_OPEN} AND NOT c.cancel_requested
"""  # noqa: S608

# Only what was never told: a signal that is there waits for its worker.
_UNTOLD = f"""
    SELECT c.id, c.org_id, p.id, c.parent_step_id, c.epoch
    FROM executions p JOIN executions c ON c.parent_id = p.id
        JOIN execution_steps s ON s.id = c.parent_step_id
    WHERE p.status IN ('running', 'waiting') AND c.status IN {_ENDED} AND s.status = 'waiting'
        AND s.signal IS NULL
    ORDER BY c.id LIMIT %(limit)s
"""  # noqa: S608
_UNWANTED = f"""
    SELECT c.id, c.org_id FROM executions c
    WHERE c.parent_step_id IS NOT NULL AND c.parent_id IS NOT NULL AND c.status IN {_OPEN}
        AND NOT c.cancel_requested AND NOT EXISTS (
            SELECT 1 FROM execution_steps s WHERE s.id = c.parent_step_id AND s.status IN {_STEP_OPEN})
    ORDER BY c.id LIMIT %(limit)s
"""  # noqa: S608
_FORGO = f"""
    UPDATE executions c SET cancel_requested = true,
        wake_at = CASE WHEN c.status = 'waiting' THEN now() ELSE c.wake_at END
    WHERE c.id = %(run)s AND c.parent_step_id IS NOT NULL AND c.status IN {_OPEN} AND NOT EXISTS (
        SELECT 1 FROM execution_steps s WHERE s.id = c.parent_step_id AND s.status IN {_STEP_OPEN})
"""  # noqa: S608
_TOLD = b"""
    SELECT e.status, coalesce(p.content, e.output), e.error, e.total_tokens, e.total_cost
    FROM executions e LEFT JOIN payloads p ON p.execution_id = e.id AND p.id = e.output_ref
    WHERE e.id = %(run)s
"""


@dataclass(frozen=True, slots=True)
class Parent:
    """The step that waits for a run."""

    execution_id: UUID
    step_id: UUID


@dataclass(frozen=True, slots=True)
class Kin:
    """Whom the end of a run concerns: its `parent`, which is `told`, and what it called itself."""

    parent: Parent | None = None
    told: Mapping[str, Any] | None = None

    def around(self, run: UUID, epoch: int) -> tuple[Sequence[Statement], Sequence[Statement]]:
        """What comes before and after the end in its transaction; it does nothing where that does nothing."""
        given: dict[str, Any] = {"run": run, "epoch": epoch}
        cancel = (_CANCEL.encode(), given)
        if self.parent is None:
            return (), (cancel,)
        given |= {
            "parent": self.parent.execution_id,
            "step": self.parent.step_id,
            "signal": dumps(self.told),
        }
        return ((_LOCK, given),), ((_SIGNAL.encode(), given), (_WAKE, given), cancel)


def child_signal(status: str, output: Any, error: Any, tokens: int, cost: Decimal) -> dict[str, Any]:
    """How a run ended, as the step that waits for it is told."""
    return {
        "kind": "child",
        "status": status,
        "output": output,
        "error": error,
        "tokens": tokens,
        "cost": money(cost),
    }


async def mend_kin(limit: int) -> None:
    """Tells and cancels again whatever was not heard; for the reconciler."""
    given = {"limit": limit}
    untold, unwanted = await system_lane().transact(
        None, [(_UNTOLD.encode(), given), (_UNWANTED.encode(), given)]
    )
    for run, org_id, parent, step, epoch in untold:
        row = (await lanes().transact(org_id, [(_TOLD, {"run": run})]))[0][0]
        before, after = Kin(Parent(parent, step), child_signal(*row)).around(run, epoch)
        await lanes().transact(org_id, [*before, *after])
    for run, org_id in unwanted:
        await lanes().transact(org_id, [(_FORGO.encode(), {"run": run})])
    if untold or unwanted:
        hints().give(RUN_JOB)
