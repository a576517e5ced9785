"""How a worker's time with an execution ends."""

from dataclasses import dataclass

from engine.ports import ExecutionEnd, WaitingFor


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over, and journalled so."""

    end: ExecutionEnd


@dataclass(frozen=True, slots=True)
class Parked:
    """It waits in the journal alone; a signal or `waiting_for.until` brings it back."""

    waiting_for: WaitingFor


@dataclass(frozen=True, slots=True)
class Released:
    """It was interrupted at the host's wish and can go on elsewhere; the host hands back the lease."""


Outcome = Ended | Parked | Released
