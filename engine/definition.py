"""The agent definition: what the canvas edits, the API publishes and the runner runs.

Parsing is lenient where a draft may be: dangling edges, unknown kinds or odd ids are problems that
`engine.validation` reports, not parse errors. Unknown keys and wrong types are parse errors.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

OnError = Literal["fail", "continue", "branch"]
Repeat = Literal["safe", "never"]
Label = Annotated[str, Field(max_length=255)]
MAX_NODES = 1000
MAX_EDGES = 5000
"""Far more than a canvas shows, and little enough to be checked while somebody waits."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Position(_Part):
    """Where something lies on the canvas, in pixels at zoom 1."""

    x: float = 0
    y: float = 0


class Retry(_Part):
    """How often and how patiently a step is tried again. Seconds; the pause is drawn by full jitter."""

    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    backoff_base: Annotated[float, Field(gt=0, le=3600)] = 2.0
    backoff_max: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class Node(_Part):
    """One step of the graph. `config` is checked against the kind's own model by `engine.validation`."""

    id: str
    type: Annotated[str, Field(max_length=50)]
    subtype: Annotated[str, Field(max_length=100)]
    label: Label | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    position: Position | None = None
    notes: str | None = None
    disabled: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    retry: Retry | None = None
    on_error: OnError = "fail"
    repeat: Repeat = "safe"

    @property
    def name(self) -> str:
        """What a person calls the node."""
        return self.label or self.id

    @property
    def kind(self) -> str:
        return f"{self.type}.{self.subtype}"


class Edge(_Part):
    """A way from one node to the next; `source_handle` names the branch, `condition` guards it further."""

    id: str
    source: str
    target: str
    source_handle: Annotated[str, Field(max_length=100)] | None = None
    condition: str | None = None
    label: Label | None = None

    @property
    def handle(self) -> str:
        return self.source_handle or "out"


class Note(_Part):
    """A sticky note on the canvas."""

    id: str
    text: str
    position: Position = Field(default_factory=Position)


class Group(_Part):
    """A frame around some nodes, for the eye only."""

    id: str
    label: str = ""
    nodes: list[str] = Field(default_factory=list)


class Definition(_Part):
    """The whole graph."""

    schema_version: Literal[1] = 1
    nodes: list[Node] = Field(default_factory=list, max_length=MAX_NODES)
    edges: list[Edge] = Field(default_factory=list, max_length=MAX_EDGES)
    notes: list[Note] = Field(default_factory=list, max_length=MAX_NODES)
    groups: list[Group] = Field(default_factory=list, max_length=MAX_NODES)

    def node(self, node_id: str) -> Node | None:
        return next((node for node in self.nodes if node.id == node_id), None)

    def triggers(self) -> Iterator[Node]:
        return (node for node in self.nodes if node.type == "trigger")

    def to_json(self) -> dict[str, Any]:
        """As it was written: keys that were left out stay out."""
        return {"schema_version": self.schema_version, **self.model_dump(mode="json", exclude_unset=True)}
