"""Identifiers: UUIDv7, so that they sort by the time they were made."""

import re
from uuid import UUID

from uuid6 import uuid7

__all__ = ["new_id", "new_slug", "parse_id"]


def new_id() -> UUID:
    return UUID(int=uuid7().int)


def parse_id(value: str) -> UUID | None:
    """The UUID that `value` spells, None if it spells none."""
    try:
        return UUID(value)
    except ValueError:
        return None


def new_slug(name: str, *, suffix: str = "") -> str:
    """A URL-safe form of `name`, at most 80 characters, never empty."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80].strip("-") or "x"
    return f"{slug}-{suffix}" if suffix else slug
