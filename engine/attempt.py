"""One attempt of one step: its config rendered and checked, its work bounded, its errors sorted."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.definition import Node
from engine.errors import EngineError, ExpressionError, InvalidConfigError, StepTimeoutError
from engine.expressions import Budget, compile_condition, render
from engine.expressions.template import in_field
from engine.masking import Masker
from engine.nodes.base import NodeKind
from engine.nodes.fields import DRAFT
from engine.ports import Clock

log = logging.getLogger(__name__)
T = TypeVar("T")

CLEANUP_SECONDS = 0.5
"""How long a cancelled step may take to let go of its connections before it is left alone."""


_MESSAGES = {
    "missing": "this is needed",
    "extra_forbidden": "this node has no such setting",
}


class InternalError(EngineError):
    """A node failed in a way that it did not foresee."""

    code = "INTERNAL_ERROR"


def rendered(node: Node, kind: NodeKind[Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """The node's config with its expressions resolved. Errors name node, field and path."""
    try:
        return _rendered(node, kind, scope)
    except ExpressionError as error:
        message = f"Node {node.id!r}, field {error.details['field']!r}: {error.message}"
        raise type(error)(message, details={"node_id": node.id, **error.details}) from None


def _rendered(node: Node, kind: NodeKind[Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    budget = Budget()
    for name, value in node.config.items():
        how = kind.modes.get(name, "render")
        if how == "condition" and name in kind.deferred:
            found[name] = value
        elif how == "condition" and isinstance(value, str):
            try:
                found[name] = compile_condition(value).holds(scope, budget)
            except ExpressionError as error:
                raise in_field(error, name) from None
        elif how == "render":
            found[name] = render(value, scope, budget=budget, field=name)
        else:
            found[name] = value
    return found


def checked(kind: NodeKind[Any], config: Mapping[str, Any], *, draft: bool = False) -> Any:
    """The config as the kind's model; raises InvalidConfigError naming the fields."""
    try:
        return kind.Config.model_validate(config, context=DRAFT if draft else None)
    except ValidationError as error:
        problems = config_problems(error)
        message = "; ".join(f"{field}: {text}" if field else text for field, text in problems)
        raise InvalidConfigError(
            message, details={"fields": [{"field": field, "message": text} for field, text in problems]}
        ) from None


def config_problems(error: ValidationError) -> list[tuple[str, str]]:
    """(field, what is wrong), for people. Each field once: a union reports all of its members."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        top, *rest = each["loc"] or ("",)
        inner = "".join(f"[{part}]" for part in rest if isinstance(part, int))
        text = _MESSAGES.get(each["type"]) or each["msg"].removeprefix("Value error, ")
        found.setdefault(f"{top}{inner}", text)
    return list(found.items())


async def bounded(clock: Clock, seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    """Runs the work for so many seconds at most, by the given clock."""
    if seconds is None:
        return await work
    task = asyncio.ensure_future(work)
    task.add_done_callback(_heard)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await stop({task})
        if task.done() and not task.cancelled():
            return task.result()
        raise StepTimeoutError(f"This took longer than {seconds:g} s", details={"timeout_seconds": seconds})
    finally:
        alarm.cancel()
        if not task.done():
            await stop({task})


def _heard(task: "asyncio.Future[Any]") -> None:
    """Whoever stops a step does not ask what it came to, and asyncio would report that nobody did."""
    if not task.cancelled():
        task.exception()


async def outcome_of(work: Awaitable[T]) -> T | Exception:
    """What the work comes to, a failure included."""
    try:
        return await work
    except Exception as error:
        return error


async def stop(tasks: set["asyncio.Future[Any]"]) -> None:
    """Cancels the tasks and gives them a moment to clean up; what does not end is left behind."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLEANUP_SECONDS)


def sorted_error(error: BaseException, masker: Masker) -> EngineError:
    """What a node raised, as an error of the engine. One that it did not foresee is logged, masked."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, TimeoutError):
        return StepTimeoutError("The other side did not answer in time")
    told = masker.text("".join(traceback.format_exception(error)))
    log.error("A node failed unexpectedly", extra={"exception": told})
    return InternalError(f"Unexpected error in this node: {type(error).__name__}: {error}")


def plain(output: Any) -> Any:
    """A node's output as JSON-like data."""
    return output.model_dump(mode="json") if isinstance(output, BaseModel) else output
