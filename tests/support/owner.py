"""The owner of the database, who may do what the app's roles may not."""

from typing import Any, LiteralString

import psycopg

from agentflow_app.core.settings import settings


async def alter(statement: LiteralString, *values: Any) -> None:
    async with await psycopg.AsyncConnection.connect(settings().database_url) as connection:
        await connection.execute(statement, values)
