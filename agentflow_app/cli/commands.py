"""The commands: `agentflow --help`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agentflow_app.roles import ROLES, become, one_line_failures

app = typer.Typer(
    help="Draw AI agents on a canvas, run them durably, and trust them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
vault = typer.Typer(help="The master keys that seal secrets: rotate them while everything runs.")
app.add_typer(vault, name="vault", no_args_is_help=True)
audit = typer.Typer(help="The trail of who did what.")
app.add_typer(audit, name="audit", no_args_is_help=True)
user = typer.Typer(help="Accounts.")
app.add_typer(user, name="user", no_args_is_help=True)
DefinitionFile = Annotated[
    Path, typer.Argument(help="A definition or an exported agent, JSON", metavar="FILE")
]


def main() -> None:
    """The entry point. A role needs no command line and gets none: its memory counts."""
    if len(sys.argv) == 2 and sys.argv[1] in ROLES:
        os.execv(sys.executable, [sys.executable, "-m", "agentflow_app.roles", sys.argv[1]])  # noqa: S606
    with one_line_failures():
        app()


@app.command()
def up() -> None:
    """Start everything on this machine, PostgreSQL and Redis included."""
    become("up")


@app.command()
def web() -> None:
    """Serve pages, REST and WebSockets (PORT, AGENTFLOW_HOST)."""
    become("web")


@app.command()
def worker() -> None:
    """Run executions."""
    become("worker")


@app.command()
def scheduler() -> None:
    """Wake what is due: timers, expiries, whatever a crash left behind."""
    become("scheduler")


@app.command()
def migrate() -> None:
    """Bring the database's schema and roles up to date."""
    become("migrate")


@app.command()
def build(
    relock: Annotated[bool, typer.Option(help="Resolve the npm packages anew and write reflex.lock")] = False,
) -> None:
    """Build the front end, unless exactly these sources are built."""
    if relock:
        from agentflow_app.core.frontend.build import relock as write_lock
        from agentflow_app.core.settings import settings

        write_lock(settings().data_dir)
    else:
        become("build")


@app.command()
def doctor(
    invariants: Annotated[
        bool, typer.Option("--invariants", help="Look for rows that break a rule, in every organization")
    ] = False,
) -> None:
    """Say what is reachable, in which version, what is wrong and how to mend it."""
    from agentflow_app.doctor import examine, report

    if invariants:
        from agentflow_app.invariants import examine_rows

        raise typer.Exit(examine_rows(sys.stdout))

    raise typer.Exit(report(examine(), sys.stdout))


@app.command()
def health(pid: Annotated[int, typer.Option(help="The process; a container's own is 1")] = 1) -> None:
    """Exit 0 while web, worker or scheduler does its work: the image's health check."""
    from agentflow_app.health import is_healthy

    raise typer.Exit(0 if is_healthy(pid) else 1)


@audit.command("verify")
def verify_audit() -> None:
    """Say of each organization whether its trail is as it was written. Exit code 1 where one is not."""
    from agentflow_app.cli.audit import verify_text

    text, intact = verify_text()
    typer.echo(text)
    raise typer.Exit(0 if intact else 1)


operator = typer.Typer(help="Who operates this installation.", no_args_is_help=True)
app.add_typer(operator, name="operator")
sso = typer.Typer(help="Single sign-on of organizations.", no_args_is_help=True)
app.add_typer(sso, name="sso")


@sso.command("verify-domain")
def verify_domain(
    domain: Annotated[str, typer.Argument(help="As its organization entered it", metavar="DOMAIN")],
    organization: Annotated[str, typer.Option(help="Its short name, where several ask for the domain")] = "",
) -> None:
    """Vouch for a mail domain that an organization asks for, where DNS cannot."""
    from agentflow_app.cli.sso import vouch_for

    typer.echo(vouch_for(domain, organization))


Address = Annotated[str, typer.Argument(help="The account's e-mail address", metavar="EMAIL")]


@operator.command("grant")
def grant_operator(email: Address) -> None:
    """Let an account see health and usage of all organizations, and suspend them; never their content."""
    from agentflow_app.cli.operator import appoint_account

    appoint_account(email, operator=True)


@operator.command("revoke")
def revoke_operator(email: Address) -> None:
    """Take that back."""
    from agentflow_app.cli.operator import appoint_account

    appoint_account(email, operator=False)


@operator.command("list")
def list_operators() -> None:
    """Say who operates this installation."""
    from agentflow_app.cli.operator import operators_text

    typer.echo(operators_text())


@app.command()
def run(
    file: DefinitionFile,
    data: Annotated[str, typer.Option(help="What the trigger brings, JSON")] = "{}",
) -> None:
    """Run a definition here, steps live, without a server. Exit code: 0 completed, 1 failed, 3 waiting."""
    from agentflow_app.cli.running import run_file

    raise typer.Exit(run_file(file, data))


@app.command(name="import")
def import_agent(
    file: DefinitionFile,
    name: Annotated[str, typer.Option(help="The new agent's name, if not the file's")] = "",
) -> None:
    """Create an agent on the server (AGENTFLOW_URL, AGENTFLOW_API_KEY or AGENTFLOW_TOKEN)."""
    from agentflow_app.cli.transfer import import_file

    typer.echo(import_file(file, name))


@app.command()
def export(
    agent: Annotated[str, typer.Argument(help="The agent's id, slug or name")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file instead of the terminal")
    ] = None,
) -> None:
    """Write an agent's draft as JSON that import takes."""
    from agentflow_app.cli.transfer import export_agent

    text = export_agent(agent)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text + "\n")


@vault.command()
def status() -> None:
    """Say which master keys are in use, and for how much."""
    from agentflow_app.cli.vault import status_text

    typer.echo(status_text())


@vault.command()
def rotate() -> None:
    """Move everything sealed to the first of AGENTFLOW_MASTER_KEYS, or to AGENTFLOW_KMS_KEY_ID."""
    from agentflow_app.cli.vault import rotate_text

    text, complete = rotate_text()
    typer.echo(text)
    raise typer.Exit(0 if complete else 1)


@user.callback()
def _accounts() -> None:
    """What the operator does for an account."""


@user.command(name="reset-link")
def reset_link(email: Annotated[str, typer.Argument(help="The account's e-mail address")]) -> None:
    """Print a link by which the account's owner chooses a new password, once, within an hour."""
    from agentflow_app.cli.users import reset_link as make_link

    typer.echo(make_link(email))


@user.command(name="erase")
def erase_user(
    email: Annotated[str, typer.Argument(help="The account's e-mail address")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Erase a person: everything that names them goes, what they did stays, of nobody."""
    from agentflow_app.cli.users import erase

    if not yes:
        typer.confirm(f"Erase {email} for good?", abort=True)
    erase(email)
    typer.echo("Erased")


if __name__ == "__main__":
    main()
