import ast
import warnings
from collections.abc import Iterator

from pydantic import ConfigDict

from engine.context import Context
from engine.nodes.base import Around, NodeKind, Result
from engine.nodes.fields import Expr, Json, NodeConfig, NodeOutput, field
from engine.problems import KnownNames, Problem
from engine.shapes import ANYTHING, Shape

MOST_SOURCE = 100_000
_NOT_KNOWN: dict[type[ast.AST], str] = {
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Delete: "del",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
    ast.TryStar: "except*",
}


class CodeConfig(NodeConfig):
    code: str = field(
        "Code",
        "Python that only computes. `inputs` is a dict; the value of the last expression is the output.",
        widget="code",
        verbatim=True,
        min_length=1,
        max_length=MOST_SOURCE,
        examples=["total = sum(inputs['amounts'])\n{'total': total}"],
    )
    inputs: Expr[dict[str, Json]] = field(
        "Inputs",
        "Names and what they hold, for the code to find in `inputs`.",
        widget="key_value",
        default={},
    )


class CodeOutput(NodeOutput):
    """Whatever the code comes to; it need not be an object."""

    model_config = ConfigDict(extra="allow")


class Code(NodeKind[CodeConfig]):
    type = "action"
    subtype = "code"
    label = "Code"
    help = "Computes with a few lines of Python; it reaches no file, no network and no secret."
    icon = "code"
    hands_on = True
    Config = CodeConfig
    Output = CodeOutput

    def shape(self, config: CodeConfig, around: Around) -> Shape:
        return ANYTHING

    def problems(self, config: CodeConfig, names: KnownNames | None) -> Iterator[Problem]:
        message = _unreadable(config.code)
        if message is not None:
            yield Problem("INVALID_CONFIG", message, field="code")

    async def run(self, config: CodeConfig, context: Context) -> Result:
        ran = await context.sandbox.run(config.code, config.inputs, seed=context.idempotency_key)
        if ran.printed:
            context.log(ran.printed + ("\n… the rest is not kept" if ran.cut else ""))
        if ran.failure is not None:
            raise ran.failure
        return Result(ran.output)


def _unreadable(code: str) -> str | None:
    """Why it cannot be read as Python, or not run here; nothing of it is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an escape that is none is the author's affair
            tree = ast.parse(code)
        found = min(_missing(tree), default=None)
    except SyntaxError as error:
        return (
            f"Line {error.lineno}: {error.msg}." if error.lineno else f"The code cannot be read: {error.msg}."
        )
    except (RecursionError, MemoryError):
        return "The code is nested too deeply."
    except ValueError as error:
        return f"The code cannot be read: {error}."
    return f"Line {found[0]}: {found[1]} cannot be used here." if found is not None else None


def _missing(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What the interpreter does not know of Python, and on which line."""
    for each in ast.walk(tree):
        for kind, name in _NOT_KNOWN.items():
            if isinstance(each, kind):
                yield each.lineno, name  # type: ignore[attr-defined]  # all of these have one
        if isinstance(each, ast.ImportFrom) and any(alias.name == "*" for alias in each.names):
            yield each.lineno, "import *"
        if isinstance(each, ast.ClassDef):
            if each.bases or each.keywords:
                yield each.lineno, "a class that inherits"
            for method in each.body:
                if isinstance(method, ast.FunctionDef) and method.decorator_list:
                    yield method.lineno, "a decorator of a method"
