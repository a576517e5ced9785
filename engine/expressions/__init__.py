"""The one expression language: Jinja2's syntax and filters over plain data, compiled once and bounded.

`{{ node_fetch.output.items[0].name | default('friend') }}`: a dot is a key lookup and nothing else, nothing
can be called but filters, and a path that is not there is an error. A string that is one whole expression
keeps the value's type; otherwise values become text as `to_text` says.
"""

from engine.expressions.limits import Budget
from engine.expressions.references import Reference, is_only_put_out, references, rename
from engine.expressions.syntax import has_expression
from engine.expressions.template import Template, compile_condition, compile_template, render
from engine.expressions.values import DryOutput, to_text

__all__ = [
    "Budget",
    "DryOutput",
    "Reference",
    "Template",
    "compile_condition",
    "compile_template",
    "has_expression",
    "is_only_put_out",
    "references",
    "rename",
    "render",
    "to_text",
]
