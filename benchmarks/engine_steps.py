"""What a step costs in memory, against bare coroutines that pass the same data along."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import engine

STEPS = 10
REPEATS = 200
ROUNDS = 5


def chain() -> engine.Definition:
    nodes = [
        {
            "id": f"n{n}",
            "type": "action",
            "subtype": "set",
            "config": {"values": {"n": "{{ trigger.data.n }}"}},
        }
        for n in range(STEPS)
    ]
    edges = [{"id": f"e{n}", "source": f"n{n}", "target": f"n{n + 1}"} for n in range(STEPS - 1)]
    return engine.Definition.model_validate({"nodes": nodes, "edges": edges})


async def _bare(value: Any) -> Any:
    """The bound: one task per step and nothing else."""
    for _ in range(STEPS):
        value = await asyncio.create_task(_same(value))
    return value


async def _same(value: Any) -> Any:
    return {"n": value["n"]}


async def _micros_per_step(run: Callable[[], Awaitable[object]]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(REPEATS):
            await run()
        rounds.append((time.perf_counter() - began) / (REPEATS * STEPS) * 1e6)
    return statistics.median(rounds)


async def report() -> list[str]:
    definition = chain()
    ours = await _micros_per_step(lambda: engine.run(definition, {"n": 1}))
    bound = await _micros_per_step(lambda: _bare({"n": 1}))
    return [
        f"## A step in memory (chain of {STEPS} `action.set`, median of {ROUNDS} rounds of {REPEATS} runs)",
        "",
        "| | µs a step | times the bound |",
        "|---|---|---|",
        f"| `engine.run` | {ours:.0f} | {ours / bound:.1f} |",
        f"| bound: one bare asyncio task a step | {bound:.1f} | 1 |",
    ]
