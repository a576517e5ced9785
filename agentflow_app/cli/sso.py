"""`agentflow sso`: what the operator vouches for."""

import asyncio

import typer

from agentflow_app.cli.users import reach_database
from agentflow_app.core.database import close_database
from agentflow_app.core.errors import AppError
from agentflow_app.sso.domains import vouch


def vouch_for(domain: str, organization: str) -> str:
    """A sentence. Exits with 1 where nobody, or more than one, asks for the domain."""
    reach_database()

    async def vouched() -> str:
        try:
            return await vouch(domain, organization)
        finally:
            await close_database()

    try:
        return f"{domain} is verified for the connection {asyncio.run(vouched())}"
    except AppError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
