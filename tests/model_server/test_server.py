import json
import socket

from tests.model_server import ModelServer
from tests.model_server.fixtures import model_server, server

__all__ = ["model_server", "server"]


def test_a_client_that_leaves_in_the_middle_of_a_stream_is_noted(server: ModelServer) -> None:
    # Far more than fits between the two, so that the server is still sending when the client leaves.
    prompt = "a word " * 20_000
    messages = [{"role": "user", "content": prompt}]
    body = json.dumps({"model": "gpt-4.1-mini--stall", "stream": True, "messages": messages}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(head + body)
        assert client.recv(1)
    server.wait_until(lambda requests: requests[0].closed)
