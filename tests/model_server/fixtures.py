"""`server`, for the conftest of those who need it: one for the session, without memory of other tests."""

from collections.abc import Iterator

import pytest

from tests.model_server.server import ModelServer


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(model_server: ModelServer) -> ModelServer:
    model_server.reset()
    return model_server
