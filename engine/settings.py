"""How one execution is to be run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MAX_ROUNDS = 100_000


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Limits, from the agent's settings. None: unlimited.

    `elapsed_seconds` is what earlier workers spent on this execution, waiting not counted.
    `max_retries` holds for nodes that say nothing about retries. `max_cost` is USD. `max_rounds` bounds each
    loop: its items, or what its `max_iterations` may be. `max_steps` is the budget that a run waits at; over
    `most_steps` it fails, as over what one step or all together may put out (bytes of JSON).
    """

    timeout_seconds: float | None = None
    elapsed_seconds: float = 0
    max_retries: int = 3
    max_steps: int | None = None
    max_rounds: int = MAX_ROUNDS
    max_cost: Decimal | None = None
    most_steps: int | None = None
    max_output_bytes: int | None = None
    max_state_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """A test: models are called, side effects are only described.

    `pins` are outputs by node id that stand in for running the node. `node` runs this node alone,
    `from_node` it and what follows, `until_node` it and what comes before.
    """

    pins: Mapping[str, Any] = field(default_factory=dict)
    node: str | None = None
    from_node: str | None = None
    until_node: str | None = None
