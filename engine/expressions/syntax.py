"""Jinja2's grammar: text in, syntax tree out. Nothing of Jinja2 is ever executed."""

from bisect import bisect_left
from collections.abc import Iterator

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError

from engine.errors import ExpressionError
from engine.expressions.limits import MAX_SOURCE

# Only lexer and parser are used, which is why autoescaping and sandboxing do not come into it.
_ENVIRONMENT = Environment(keep_trailing_newline=True)  # noqa: S701
CONSTANTS = {"null": None}


def has_expression(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def parse(text: str) -> nodes.Template:
    """Raises ExpressionError saying what is wrong in which line."""
    if len(text) > MAX_SOURCE:
        raise ExpressionError(f"a text with expressions may have {MAX_SOURCE} characters at most")
    try:
        return _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        where = f" (line {error.lineno})" if "\n" in text else ""
        raise ExpressionError(f"{error.message}{where}") from None
    except RecursionError:
        raise ExpressionError("the expression nests too deep") from None
    except (ValueError, OverflowError) as error:
        raise ExpressionError(f"the expression cannot be read: {error}") from None


def whole_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression, where the text is one expression and nothing else."""
    if len(tree.body) == 1 and isinstance(output := tree.body[0], nodes.Output) and len(output.nodes) == 1:
        expression = output.nodes[0]
        return None if isinstance(expression, nodes.TemplateData) else expression
    return None


def in_braces(condition: str) -> str:
    """A condition as a template: its braces may be left out."""
    stripped = condition.strip()
    return stripped if stripped.startswith("{{") else f"{{{{ {stripped} }}}}"


def parse_condition(condition: str) -> nodes.Expr:
    expression = whole_expression(parse(in_braces(condition)))
    if expression is None:
        raise ExpressionError("a condition is one expression, like `node_a.output.label == 'hot'`")
    return expression


def tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """(where it begins, kind, text) of each token, as far as the text can be read."""
    # The lexer turns each line's end into one character, and drops the white space that a block asks it to.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    widened = [at - count for count, at in enumerate(_places(text, "\r\n"))]
    end = 0
    try:
        for _, kind, value in _ENVIRONMENT.lexer.tokeniter(text, None):
            start = lines.index(value, end)
            end = start + len(value)
            yield start + bisect_left(widened, start), kind, value
    except TemplateSyntaxError:
        return


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + len(part))
