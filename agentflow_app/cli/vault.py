"""`agentflow vault`: which master keys seal what there is, and moving it all to the active one."""

import asyncio

from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.settings import Settings, settings
from agentflow_app.core.startup import StartupError
from agentflow_app.vault.rotation import rotate, usage


def status_text() -> str:
    """A line per master key in use, the active one first."""
    found = asyncio.run(usage(reachable_settings()))
    lines = [f"{found.active}  active  {_values(found.values[found.active])}"]
    lines += [f"{key_id}  old     {_values(found.values[key_id])}" for key_id in found.old]
    if found.old:
        lines.append("Run agentflow vault rotate; then the old keys are not needed any more.")
    return "\n".join(lines)


def rotate_text() -> tuple[str, bool]:
    """What was done, and whether nothing needs an old key any more."""
    config = reachable_settings()
    done = asyncio.run(rotate(config))
    lines = [f"{_values(done.moved)} moved to the active master key."]
    if done.changed:
        lines.append(f"{_values(done.changed)} were changed meanwhile by others.")
    if done.unreadable:
        lines.append(f"{_values(done.unreadable)} could not be opened with the keys given; see the log.")
    old = asyncio.run(usage(config)).old
    lines.append(f"Still needed: {', '.join(old)}." if old else "No other key is needed any more.")
    return "\n".join(lines), not old


def reachable_settings() -> Settings:
    """The settings with an owner's address of a database, this data directory's own where none is given."""
    config = with_embedded(settings())
    if not config.database_url:
        raise StartupError("DATABASE_URL is not set, and there is no database in the data directory.")
    return config


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"
