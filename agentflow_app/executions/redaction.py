"""Values under names that an organization keeps to itself, taken out of a run once it has ended."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agentflow_app.core.database import Transaction
from agentflow_app.core.idempotency import rewrite_answers
from agentflow_app.core.serialization import dumps, loads

REDACTED = "[redacted]"
_BATCH = 200
_NAMES = text("SELECT settings -> 'redact_fields' FROM organizations WHERE id = :org")
_EXECUTION = text("SELECT trigger, variables, options FROM executions WHERE id = :id")
_SET_EXECUTION = text(
    """
    UPDATE executions SET trigger = cast(:trigger AS jsonb), options = cast(:options AS jsonb),
        variables = nullif(cast(:variables AS jsonb), 'null'::jsonb)
    WHERE id = :id
    """
)
_IS_REDACTED = text(
    """
    SELECT EXISTS (SELECT 1 FROM executions WHERE id = :id
            AND (trigger::text LIKE :mark OR variables::text LIKE :mark OR options::text LIKE :mark))
        OR EXISTS (SELECT 1 FROM payloads p WHERE p.execution_id = :id AND p.content::text LIKE :mark
            AND p.id IN (SELECT trigger_ref FROM executions WHERE id = :id
                UNION SELECT output_ref FROM execution_steps WHERE execution_id = :id
                UNION SELECT input_ref FROM execution_steps
                    WHERE execution_id = :id AND status <> 'completed'))
        OR EXISTS (SELECT 1 FROM execution_steps WHERE execution_id = :id
            AND (output_data::text LIKE :mark OR (status <> 'completed' AND input_data::text LIKE :mark)))
    """
)
# What is read and written of each table, in the order of its key.
_PARTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "execution_steps": ("id", "uuid", ("input_data", "output_data", "error", "waiting_for", "signal")),
    "execution_logs": ("id", "uuid", ("data",)),
    "payloads": ("id", "uuid", ("content",)),
    "execution_events": ("seq", "int", ("event",)),
}


class Redaction:
    """Knows names, whatever their case; one that ends in `*` stands for all that begin like it."""

    def __init__(self, names: Iterable[str]) -> None:
        folded = [name.casefold() for name in names]
        self._exact = frozenset(name for name in folded if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in folded if name.endswith("*"))

    def hides(self, name: str) -> bool:
        folded = name.casefold()
        return folded in self._exact or (bool(self._prefixes) and folded.startswith(self._prefixes))

    def value(self, value: Any) -> Any:
        """A copy of a JSON value without what is hidden; what has nothing to hide is given back itself."""
        if isinstance(value, Mapping):
            cleaned = {k: REDACTED if self.hides(str(k)) else self.value(v) for k, v in value.items()}
            return value if all(cleaned[key] is value[key] for key in value) else cleaned
        if isinstance(value, list | tuple):
            items = [self.value(each) for each in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value

    def inside(self, value: Any) -> Any:
        """The same for an object whose own names are ours, and only what they hold is the run's."""
        if not isinstance(value, Mapping):
            return self.value(value)
        cleaned = {key: self.value(each) for key, each in value.items()}
        return value if all(cleaned[key] is value[key] for key in value) else cleaned

    def options(self, options: Any) -> Any:
        """`pins` stand in for nodes' outputs, by the nodes' ids."""
        if not isinstance(options, Mapping) or "pins" not in options:
            return options
        pins = self.inside(options["pins"])
        return options if pins is options["pins"] else {**options, "pins": pins}

    def answer(self, execution: Any) -> Any:
        """An execution as the API shows it."""
        if not isinstance(execution, Mapping):
            return execution
        run = {name: self.value(execution[name]) for name in ("trigger_data", "output") if name in execution}
        return {**execution, **run, "error": self.inside(execution.get("error"))}

    def event(self, event: Any) -> Any:
        """An event of the run; its own names stay."""
        cleaned = {
            name: self.inside(value) if name in ("error", "waiting_for") else self.value(value)
            for name, value in event.items()
        }
        return event if all(cleaned[name] is event[name] for name in event) else cleaned

    def stored(self, column: str, value: Any) -> Any:
        if column == "event":
            return self.event(value)
        return (self.value if column in ("input_data", "output_data", "data", "content") else self.inside)(
            value
        )


async def redaction_of(tx: Transaction, org_id: UUID) -> Redaction | None:
    """None where the organization hides nothing."""
    names = (await tx.execute(_NAMES, {"org": org_id})).scalar_one_or_none()
    return Redaction(names) if names else None


async def redact_run(tx: Transaction, org_id: UUID, execution_id: UUID, redaction: Redaction) -> None:
    """What was stored of the run while it went on. Its `output` and `error` are the caller's to write."""
    row = (await tx.execute(_EXECUTION, {"id": execution_id})).mappings().one()
    cleaned = {
        "trigger": redaction.inside(row["trigger"]),
        "variables": redaction.value(row["variables"]),
        "options": redaction.options(row["options"]),
    }
    if any(cleaned[name] is not row[name] for name in cleaned):
        values = {name: dumps(value) for name, value in cleaned.items()}
        await tx.execute(_SET_EXECUTION, {"id": execution_id, **values})
    for table, (key, kind, columns) in _PARTS.items():
        await _redact_table(tx, execution_id, table, key, kind, columns, redaction.stored)
    location = f"/api/v1/executions/{execution_id}"
    await rewrite_answers(tx, org_id, location, lambda body: _redacted_body(body, redaction))


async def is_redacted(tx: Transaction, execution_id: UUID) -> bool:
    """Whether something was taken out of what a run that goes on would need."""
    given = {"id": execution_id, "mark": f'%"{REDACTED}"%'}
    return bool((await tx.execute(_IS_REDACTED, given)).scalar_one())


def _redacted_body(body: bytes, redaction: Redaction) -> bytes:
    return dumps(redaction.answer(loads(body))).encode()


async def _redact_table(
    tx: Transaction,
    execution_id: UUID,
    table: str,
    key: str,
    kind: str,
    columns: tuple[str, ...],
    clean: Callable[[str, Any], Any],
) -> None:
    """In pieces, so that a long run is never in memory as a whole; only rows that change are written."""
    names = ", ".join(columns)
    first = text(
        f"SELECT {key}, {names} FROM {table} WHERE execution_id = :execution"  # noqa: S608  # constants
        f" AND (cast(:after AS {kind}) IS NULL OR {key} > cast(:after AS {kind}))"
        f" ORDER BY {key} LIMIT {_BATCH}"
    )
    chosen = ", ".join(f"{name} = r.{name}" for name in columns)
    typed = ", ".join(f"{name} jsonb" for name in columns)
    write = text(
        f"UPDATE {table} t SET {chosen}"  # noqa: S608  # constants
        f" FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r({key} {kind}, {typed})"
        f" WHERE t.execution_id = :execution AND t.{key} = r.{key}"
    )
    after = None
    while True:
        rows = (await tx.execute(first, {"execution": execution_id, "after": after})).mappings().all()
        changed = []
        for row in rows:
            cleaned = {name: clean(name, row[name]) for name in columns}
            if any(cleaned[name] is not row[name] for name in columns):
                changed.append({key: row[key], **cleaned})
        if changed:
            await tx.execute(write, {"execution": execution_id, "rows": dumps(changed)})
        if len(rows) < _BATCH:
            return
        after = rows[-1][key]
