"""Reads definitions that came from outside, and says what is wrong with them."""

from typing import Any

from pydantic import ValidationError

from agentflow_app.agents.schemas import ProblemOut
from agentflow_app.core.errors import AppError
from agentflow_app.providers.service import model_is_known
from engine.definition import Definition
from engine.problems import KnownNames
from engine.validation import validate

EMPTY: dict[str, Any] = {"schema_version": 1, "nodes": [], "edges": []}


class InvalidDefinition(AppError):  # noqa: N818
    """`details.problems` lists each problem with its node, field, code and what to do."""

    code = "INVALID_DEFINITION"
    status = 422

    def __init__(self, problems: list[ProblemOut]) -> None:
        count = sum(problem.severity == "error" for problem in problems)
        noun = "a problem" if count == 1 else f"{count} problems"
        super().__init__(
            f"The definition has {noun}; see details.problems",
            details={"problems": [problem.model_dump() for problem in problems]},
        )


def parse(raw: dict[str, Any]) -> Definition:
    """Raises InvalidDefinition, naming each key that the format does not know or whose type is wrong."""
    try:
        return Definition.model_validate(raw)
    except ValidationError as error:
        problems = []
        for found in error.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in found["loc"])
            code = "UNKNOWN_KEY" if found["type"] == "extra_forbidden" else "INVALID_CONFIG"
            problems.append(
                ProblemOut(
                    node_id=_part_id(raw, found["loc"], "nodes"),
                    edge_id=_part_id(raw, found["loc"], "edges"),
                    field=path,
                    code=code,
                    message=f"{path}: {found['msg']}",
                    severity="error",
                )
            )
        raise InvalidDefinition(problems) from error


def _part_id(raw: dict[str, Any], location: tuple[int | str, ...], key: str) -> str | None:
    if len(location) > 1 and location[0] == key and isinstance(location[1], int):
        part = raw[key][location[1]]
        found = part.get("id") if isinstance(part, dict) else None
        return found if isinstance(found, str) else None
    return None


def problems_of(definition: Definition, names: KnownNames | None = None) -> list[ProblemOut]:
    """`names`: what the organization has, to warn of what it has not."""
    return [ProblemOut.model_validate(p) for p in validate(definition, models=model_is_known, names=names)]


def ensure_valid(definition: Definition, names: KnownNames | None = None) -> None:
    """Raises InvalidDefinition unless all that it has are warnings."""
    problems = problems_of(definition, names)
    if any(problem.severity == "error" for problem in problems):
        raise InvalidDefinition(problems)
