"""A closed loop of HTTP/1.1 clients that costs little itself: it shares the machine with what it measures."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """`per_second` requests, and how long one took, in ms."""

    per_second: float
    p50: float
    p95: float
    p99: float


class _Client(asyncio.Protocol):
    """One connection: sends the request again as soon as its answer is whole."""

    def __init__(self, request: bytes, until: float, times: list[float], done: asyncio.Future[None]) -> None:
        self._request = request
        self._until = until
        self._times = times
        self._done = done
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(AssertionError(self._buffer.decode(errors="replace")))
            return
        self._times.append((time.perf_counter() - self._began) * 1000)
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("The server closed the connection"))

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def _end(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None) if error is None else self._done.set_exception(error)
            self._transport.close()


async def closed_loop(url: str, body: bytes, clients: int, seconds: float) -> Load:
    """Posts JSON for so long; every answer must be a 200."""
    parts = urlsplit(url)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    times: list[float] = []
    until = time.perf_counter() + seconds
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(clients)]
    for done in ends:
        await loop.create_connection(
            lambda done=done: _Client(request, until, times, done),  # type: ignore[misc]
            parts.hostname or "",
            parts.port or 80,
        )
    await asyncio.gather(*ends)
    cuts = statistics.quantiles(times, n=100)
    return Load(len(times) / seconds, cuts[49], cuts[94], cuts[98])
