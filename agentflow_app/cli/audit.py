"""`agentflow audit verify`: every organization's trail, checked against its own hashes."""

from agentflow_app.audit.chain import check_all
from agentflow_app.core.embedded.addresses import with_embedded
from agentflow_app.core.migrations import owner_connection
from agentflow_app.core.settings import settings
from agentflow_app.core.startup import StartupError


def verify_text() -> tuple[str, bool]:
    """A line per organization, and whether all of them are as they were written.

    The last hash stands for the whole trail: noted elsewhere, it also shows a trail that was written anew.
    """
    config = with_embedded(settings())
    if not config.database_url:
        raise StartupError("DATABASE_URL is not set, and there is no database in the data directory.")
    with owner_connection(config) as connection:
        found = check_all(connection)
    lines = [
        f"{org_id}  {each.entries:>8} entries  "
        + (f"intact  {each.head}" if each.intact else f"BROKEN at entry {each.broken_at}")
        for org_id, each in found.items()
    ]
    return "\n".join(lines) or "There is no entry yet.", all(each.intact for each in found.values())
