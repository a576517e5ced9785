"""A public form as a page of its own: plain HTML without a script, for whoever has its address."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape

from agentflow_app.executions.forms import FormField

KEY = "_form"
"""The field that makes sending the same page twice one run."""

_STYLE = """
:root { color-scheme: light dark; --line: #8b8d98; --soft: #60646c; --accent: #3e63dd; --bad: #ce2c31; }
@media (prefers-color-scheme: dark) { :root { --soft: #b0b4ba; --accent: #9eb1ff; --bad: #ff9592; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem; }
main { max-width: 36rem; margin: 0 auto; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; white-space: pre-line; overflow-wrap: anywhere; }
.field { margin: 1.25rem 0; }
.field > label { display: block; font-weight: 600; margin-bottom: .25rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-weight: 400; font-size: .875rem; margin: .25rem 0 0; }
.bad { color: var(--bad); font-size: .875rem; margin: .25rem 0 0; }
input, textarea, select { font: inherit; box-sizing: border-box; width: 100%; padding: .5rem .625rem;
  border: 1px solid var(--line); border-radius: .375rem; background: Canvas; color: CanvasText; }
input[type=checkbox] { width: 1.125rem; height: 1.125rem; margin: 0 .5rem 0 0; vertical-align: -.2rem; }
textarea { min-height: 6rem; resize: vertical; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button { font: inherit; font-weight: 600; padding: .5rem 1.25rem; border: 0; border-radius: .375rem;
  background: #3e63dd; color: #fff; cursor: pointer; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def form_page(
    name: str,
    description: str,
    fields: Iterable[FormField],
    *,
    key: str,
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> str:
    """`given`: what was typed before; `problems`: what is wrong with it, by field, "" for the whole."""
    problems = problems or {}
    general = problems.get("", "")
    alert = f'<p class="bad" role="alert">{escape(general)}</p>' if general else ""
    drawn = "".join(_field(each, given, problems.get(each.name, "")) for each in fields)
    about = f"<p>{escape(description)}</p>" if description else ""
    return _page(
        name,
        f"<h1>{escape(name)}</h1>{about}{alert}"
        f'<form method="post"><input type="hidden" name="{KEY}" value="{escape(key)}">{drawn}'
        "<button>Send</button></form>",
    )


def sent_page(name: str) -> str:
    return _page(name, f'<h1>{escape(name)}</h1><p role="status">Thank you. It has been sent.</p>')


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" '
        f'content="noindex"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )


def _field(field: FormField, given: Mapping[str, str] | None, problem: str) -> str:
    field_id = escape(f"field-{field.name}")
    note_id = f"{field_id}-note"
    value = field.default if given is None else given.get(field.name, "")
    invalid = ' aria-invalid="true"' if problem else ""
    attributes = f'id="{field_id}" name="{escape(field.name)}" aria-describedby="{note_id}"{invalid}'
    if field.required and field.control != "switch":
        attributes += " required"
    label = f'<label for="{field_id}">{escape(field.title)}{_optional(field)}</label>'
    note = escape(field.description)
    wrong = f'<div class="bad">{escape(problem)}</div>' if problem else ""
    return (
        f'<div class="field">{_labelled(field, label, attributes, value)}'
        f'<div id="{note_id}"><div class="soft">{note}</div>{wrong}</div></div>'
    )


def _optional(field: FormField) -> str:
    return "" if field.required or field.control == "switch" else ' <span class="soft">(optional)</span>'


def _labelled(field: FormField, label: str, attributes: str, value: str) -> str:
    shown = escape(value)
    if field.control == "switch":
        checked = " checked" if value in ("on", "true") else ""
        return f'<label><input type="checkbox" {attributes}{checked}>{escape(field.title)}</label>'
    if field.control in ("textarea", "json"):
        return f"{label}<textarea {attributes}>\n{shown}</textarea>"
    if field.control == "select":
        options = "".join(_option(each, value) for each in ["", *field.options])
        return f"{label}<select {attributes}>{options}</select>"
    kind = 'type="number" step="any"' if field.control == "number" else 'type="text"'
    return f'{label}<input {kind} {attributes} value="{shown}">'


def _option(text: str, chosen: str) -> str:
    selected = " selected" if text == chosen else ""
    return f'<option value="{escape(text)}"{selected}>{escape(text)}</option>'
