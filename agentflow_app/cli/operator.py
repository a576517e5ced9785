"""`agentflow operator`: who operates this installation."""

import typer

from agentflow_app.accounts.operators import appoint, operators
from agentflow_app.cli.vault import reachable_settings


def appoint_account(email: str, *, operator: bool) -> None:
    """Exits with 1 where there is no such account."""
    if not appoint(reachable_settings(), email, operator):
        typer.echo(f"There is no account {email}", err=True)
        raise typer.Exit(1)


def operators_text() -> str:
    """One address on each line."""
    return "\n".join(operators(reachable_settings())) or "Nobody yet: agentflow operator grant EMAIL"
