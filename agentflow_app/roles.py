"""What a process of AgentFlow can be: `python -m agentflow_app.roles worker`.

Each role imports only what it needs, so that a worker never loads Reflex, nor the supervisor SQLAlchemy.
"""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from pydantic import ValidationError
from setproctitle import setproctitle

from agentflow_app.core.settings import Settings, settings
from agentflow_app.core.startup import FAILURE_PREFIX, StartupError


def up(config: Settings) -> None:
    from agentflow_app.supervisor.up import up as run_everything

    run_everything(config)


def web(config: Settings) -> None:
    from agentflow_app.core.logging import configure_logging
    from agentflow_app.server import serve

    configure_logging(_connected(config))
    serve(config)


def worker(config: Settings) -> None:
    from agentflow_app.core.logging import configure_logging
    from workers.main import run

    configure_logging(_connected(config))
    run()


def scheduler(config: Settings) -> None:
    from agentflow_app.core.logging import configure_logging
    from workers.scheduler import run

    configure_logging(_connected(config))
    run()


def migrate(config: Settings) -> None:
    from agentflow_app.core.migrations import upgrade

    if not config.database_url:
        raise StartupError("DATABASE_URL is not set: agentflow up starts a database of its own.")
    upgrade(config)


def build(config: Settings) -> None:
    from agentflow_app.core.frontend.build import ensure_built

    ensure_built(config.data_dir, lambda text: print(text, flush=True))  # noqa: T201


ROLES: dict[str, Callable[[Settings], None]] = {
    role.__name__: role for role in (up, web, worker, scheduler, migrate, build)
}


def become(name: str) -> None:
    """Runs the role in this process, under its name in `ps`."""
    setproctitle(f"agentflow {name}")
    with one_line_failures():
        ROLES[name](settings())


@contextmanager
def one_line_failures() -> Iterator[None]:
    """Turns what an operator can mend into one line and exit code 1."""
    try:
        yield
    except StartupError as error:
        full = "No space left on device" in str(error)
        _fail("The disk is full: free some space and start again." if full else str(error))
    except ValidationError as error:
        _fail("; ".join(_problem(problem["loc"], problem["msg"]) for problem in error.errors()))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail("The disk is full: free some space and start again.")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            _fail(f"{error.filename or 'The data directory'} cannot be written ({error.strerror}).")
        raise


def _connected(config: Settings) -> Settings:
    for name, value in (
        ("DATABASE_URL", config.database_url),
        ("REDIS_URL", config.redis_url),
        ("AGENTFLOW_SECRET_KEY", config.secret_key.get_secret_value()),
    ):
        if not value:
            raise StartupError(f"{name} is not set. agentflow up starts everything with services of its own.")
    return config


def _problem(location: tuple[int | str, ...], message: str) -> str:
    field = ".".join(str(part) for part in location)
    text = message.removeprefix("Value error, ")
    return f"{field}: {text}" if field else text


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"{FAILURE_PREFIX}{message}\n")
    sys.stderr.flush()
    sys.exit(1)


if __name__ == "__main__":
    become(sys.argv[1])
