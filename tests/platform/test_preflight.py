import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentflow_app.core.startup import StartupError
from agentflow_app.supervisor.preflight import require_port, require_space, sole_use


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"Port {port} is taken.*PORT={port + 1}"):
            require_port("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(StartupError, match=r"Cannot listen on 203\.0\.113\.1"):
        require_port("203.0.113.1", 3000)


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000_000))

    with pytest.raises(StartupError, match="is full: 50 MB are free"):
        require_space(tmp_path, first_start=False)


def test_a_data_directory_is_used_by_one_alone(tmp_path: Path) -> None:
    with sole_use(tmp_path), pytest.raises(StartupError, match="already runs on"), sole_use(tmp_path):
        pass
    with sole_use(tmp_path):
        pass


def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match="cannot be written"), sole_use(tmp_path / "file" / "data"):
        pass
