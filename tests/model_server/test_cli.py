import json
import re
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.model_server import ModelServer


def test_it_runs_on_its_own_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "tests.model_server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1)\n", process.stdout.readline())
            assert found
            with urlopen(f"{found[1]}/models") as response:  # noqa: S310 - our own server
                assert "claude-sonnet-4-6" in [model["id"] for model in json.load(response)["data"]]
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
        finally:
            process.kill()


def test_a_taken_port_is_an_error() -> None:
    with (
        ModelServer() as server,
        pytest.raises(OSError, match=str(server.port)),
        ModelServer(port=server.port),
    ):
        pass
