"""What a node kind is. Adding a kind is adding one file `engine/nodes/<type>/<subtype>.py` with one class."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel

from engine.nodes.fields import Mode, NodeOutput, modes
from engine.ports import Usage, WaitingFor
from engine.problems import KnownNames, Problem
from engine.shapes import Shape, described

if TYPE_CHECKING:
    from engine.context import Context

C = TypeVar("C", bound=BaseModel)
SECRET_TYPES = frozenset({"action", "trigger"})
"""The types of nodes in whose configs `{{ secrets.NAME }}` may stand."""
# NodeKind.type shadows the builtin inside the class.
ClassOf = type[C]


class Around(Protocol):
    """What is known of the graph around a node, for the shape of its output."""

    inputs: Mapping[str, Shape]
    """Of the nodes whose edges lead into it."""
    rounds: Shape
    """Of a loop's results, each."""

    def value(self, value: Any) -> Shape:
        """What a value of the config comes to once it is rendered."""


@dataclass(slots=True)
class Result:
    """What a step came to: JSON-like `output`, the `handle` that goes live, and what it consumed."""

    output: Any
    handle: str = "out"
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """The step waits for something outside. `state` (JSON) is handed back to `resume`."""

    waiting_for: WaitingFor
    state: Any = None


@dataclass(frozen=True, slots=True)
class Rounds:
    """The step repeats what hangs on its `each`: for each of the items, or else while the condition holds.

    `most` rounds are made, `at_once` of them at the same time.
    """

    items: list[Any] | None
    condition: str | None
    most: int
    at_once: int


Outcome = Result | Park | Rounds
"""What an attempt comes to, where it does not fail."""


class NodeKind(Generic[C]):
    """One kind of node. Instances hold no state: one serves every execution.

    `side_effect`: it changes something outside, so it is journalled before it begins and does nothing in
    a dry run. `instant`: it only computes, so it is journalled in groups. `spends`: it may cost money, so
    the budget is asked first. `timeout_seconds` bounds one attempt where the node does not say.
    `handles_from` names a config field whose strings are handles too. `goes_on` is the handle that stands
    for `out` where the node is passed through or its failure is. `repeats`: it comes to Rounds. `deferred`
    names the conditions that the runner leaves to the kind. `answers`: its output is the execution's.
    `ends`: it ends the execution at once, by its output's `status` and `message`. `hands_on`: what it is
    given is stored outside the execution too, or read by somebody's code, so that no secret may be in it.
    """

    type: ClassVar[str]
    subtype: ClassVar[str]
    label: ClassVar[str]
    help: ClassVar[str]
    icon: ClassVar[str]
    side_effect: ClassVar[bool] = False
    instant: ClassVar[bool] = False
    spends: ClassVar[bool] = False
    timeout_seconds: ClassVar[float | None] = None
    handle_names: ClassVar[tuple[str, ...]] = ("out",)
    handles_from: ClassVar[str | None] = None
    goes_on: ClassVar[str] = "out"
    repeats: ClassVar[bool] = False
    deferred: ClassVar[frozenset[str]] = frozenset()
    answers: ClassVar[bool] = False
    ends: ClassVar[bool] = False
    hands_on: ClassVar[bool] = False
    Config: ClassOf[C]
    Output: ClassOf[BaseModel] = NodeOutput

    @cached_property
    def modes(self) -> dict[str, Mode]:
        """How each field of the config is treated before it is checked."""
        return modes(self.Config)

    def handles(self, config: C) -> list[str]:
        """The names of the ways out, in the order in which the canvas shows them."""
        named = getattr(config, self.handles_from) if self.handles_from else []
        return [*named, *self.handle_names]

    @cached_property
    def _shape(self) -> Shape:
        return described(self.Output.model_json_schema(mode="serialization"))

    def shape(self, config: C, around: Around) -> Shape:
        """What is known of the output before it runs. The config's expressions are not rendered."""
        return self._shape

    def problems(self, config: C, names: KnownNames | None) -> Iterator[Problem]:
        """What is wrong with a config whose every field is sound, by what the organization has if known."""
        return iter(())

    def handle_of(self, config: C, output: Any) -> str:
        """The way out that an output given from outside (a pin) stands for."""
        return "out"

    async def run(self, config: C, context: "Context") -> Outcome:
        """Does the work. Raises an EngineError; a `retryable` one is tried again by the runner."""
        raise NotImplementedError

    async def resume(
        self, config: C, context: "Context", signal_payload: Mapping[str, Any], state: Any
    ) -> Outcome:
        """Goes on after a Park, with the payload of the Signal that ended it."""
        raise NotImplementedError

    async def dry(self, config: C, context: "Context") -> Outcome:
        """What a dry run does instead of `run`: side effects are only described."""
        if self.side_effect:
            return Result({"dry_run": True, "would": self.would(config)})
        return await self.run(config, context)

    def would(self, config: C) -> Any:
        """The resolved request that a dry run shows."""
        return config.model_dump(mode="json", exclude_unset=True, by_alias=True)

    def estimate(self, config: C, context: "Context") -> Decimal:
        """The most that one run is likely to cost, in USD; the budget is checked against it before."""
        return Decimal(0)
