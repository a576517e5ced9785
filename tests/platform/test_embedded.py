import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from agentflow_app.core.embedded.postgres import Postgres
from agentflow_app.core.embedded.redis import EmbeddedRedis
from agentflow_app.core.embedded.secrets import local_secrets
from agentflow_app.core.embedded.sockets import make_private, socket_folder
from agentflow_app.core.startup import StartupError
from tests.support.services import Services


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path, "a-password", tmp_path / "postgres.log")
    yield server
    server.stop()


def test_postgres_keeps_its_data_over_a_kill_and_a_stale_pid(postgres: Postgres) -> None:
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert postgres.process is not None
    postgres.process.kill()
    postgres.process.wait()

    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_pid_file_whose_pid_is_somebody_else_by_now_is_no_obstacle(postgres: Postgres) -> None:
    postgres.start()
    pid_file = postgres.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.stop()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))

    postgres.start()

    assert postgres.process is not None
    assert postgres.process.poll() is None


def test_a_cluster_half_made_by_an_interrupted_start_is_made_anew(postgres: Postgres) -> None:
    postgres.cluster.with_name("postgres.new").mkdir(parents=True)
    postgres.cluster.with_name("postgres.new").joinpath("rest").write_text("x")

    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_cluster_of_another_major_version_is_refused_in_one_line(postgres: Postgres) -> None:
    postgres.make()
    (postgres.cluster / "PG_VERSION").write_text("17\n")

    with pytest.raises(StartupError, match="made by PostgreSQL 17, this is 18"):
        postgres.start()

    (postgres.cluster / "PG_VERSION").write_text("18\n")


def test_a_server_that_cannot_start_shows_why(postgres: Postgres) -> None:
    postgres.make()
    (postgres.cluster / "local.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(StartupError, match="no_such_setting"):
        postgres.start()


def test_both_stores_ask_for_their_password(services: Services) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(services.postgres.shown_url)
    stranger = redis.Redis(unix_socket_path=str(services.redis.socket), retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(services.redis.url) as client:
        assert client.ping()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    place = tmp_path / "it's a 100% odd, name"
    place.mkdir()
    postgres = Postgres(place, "a-password", tmp_path / "postgres.log")
    server = EmbeddedRedis(place, "a-password", tmp_path / "redis.log")
    try:
        postgres.start()
        server.start()
        with psycopg.connect(postgres.url) as connection, redis.Redis.from_url(server.url) as client:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert client.ping()
    finally:
        server.stop()
        postgres.stop()


def test_redis_keeps_its_data_over_a_kill(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, "a-password", tmp_path / "redis.log")
    server.start()
    assert server.process is not None
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "7")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()

        server.start()

        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"7"
    finally:
        server.stop()


def test_secrets_are_made_once_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = local_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    path.chmod(0o644)

    assert local_secrets(tmp_path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(made.secret_key) >= 32
    assert made.secret_key != made.postgres_password


def test_damaged_secrets_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")

    with pytest.raises(StartupError, match="damaged"):
        local_secrets(tmp_path)


def test_a_long_path_gets_a_short_folder_for_its_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "run"

    assert len(str(socket_folder(deep))) < 80
    assert socket_folder(deep) == socket_folder(deep)
    assert socket_folder(Path("/srv/agentflow/run")) == Path("/srv/agentflow/run")


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StartupError, match="somebody else"):
        make_private(tmp_path / "link")
