"""What the events of one execution must be like, whatever happened to the processes that ran it."""

from collections.abc import Sequence
from typing import Any

ENDS = ("execution.completed", "execution.failed", "execution.cancelled")
_OPENING = ("execution.started", "execution.resumed")
_STEP = "step."
_AFTER: dict[str | None, set[str]] = {
    None: {"started", "skipped", "waiting", "cancelled"},
    "started": {
        "started",
        "completed",
        "failed",
        "retrying",
        "waiting",
        "waiting_approval",
        "uncertain",
        "cancelled",
    },
    "retrying": {"started", "cancelled", "failed"},
    "waiting": {"started", "completed", "failed", "waiting", "cancelled"},
    "waiting_approval": {"completed", "failed", "cancelled"},
    "uncertain": {"started", "completed", "failed", "cancelled"},
    "completed": set(),
    "skipped": set(),
    "failed": set(),
    "cancelled": set(),
}
_AGAIN = {"failed", "cancelled", "skipped"}
"""What a run that goes on after its end may take up again."""


def contradictions(events: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with them; `seq` must count from 1."""
    found: list[str] = []
    steps: dict[str, str] = {}
    attempts: dict[str, int] = {}
    ended, resumed = False, False
    for place, event in enumerate(events, 1):
        kind = event["type"]
        if event["seq"] != place:
            found.append(f"event {place} has seq {event['seq']}")
        if (place == 1) != (kind == "execution.started"):
            found.append(f"{kind} is event {place}")
        if ended and kind != "execution.resumed":
            found.append(f"{kind} at {place} is after the end")
        resumed = resumed or (ended and kind == "execution.resumed")
        ended = kind in ENDS
        if not kind.startswith(_STEP):
            continue
        step, now = event["step_id"], kind.removeprefix(_STEP)
        before = steps.get(step)
        allowed = _AFTER[before] | (_AFTER[None] if resumed and before in _AGAIN else set())
        if now not in allowed:
            found.append(f"{event['node_id']} is {now} at {place}, after it was {before}")
        if now == "started":
            if event["attempt"] != attempts.get(step, 0) + 1:
                found.append(f"{event['node_id']} has attempt {event['attempt']} at {place}")
            attempts[step] = event["attempt"]
        steps[step] = now
    return found
