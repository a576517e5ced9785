"""What is wrong with a definition, as it is told."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend; `severity` `warning` does not keep it from being published."""

    code: str
    message: str
    node_id: str | None = None
    edge_id: str | None = None
    field: str | None = None
    severity: Severity = "error"

    def to_json(self) -> dict[str, Any]:
        return {
            "node_id": self.node_id,
            "edge_id": self.edge_id,
            "field": self.field,
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
        }


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What the organization has, where the host can tell. Credentials by their ids and names.

    `agents` are the ids of those that can be run; None: not known.
    """

    secrets: Collection[str]
    variables: Collection[str]
    credentials: Collection[str]
    agents: Collection[str] | None = None
