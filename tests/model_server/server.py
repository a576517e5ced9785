"""The HTTP side: requests are recorded, answered as their behaviour says, and cut off where it says so."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tests.model_server import chat_completions, messages, responses
from tests.model_server.behaviours import BEHAVIOURS, Behaviour, named
from tests.model_server.reply import Reply, reply_to

FORMATS: dict[str, ModuleType] = {
    "/v1/chat/completions": chat_completions,
    "/v1/responses": responses,
    "/v1/messages": messages,
}
BAD_KEY = "bad-key"
"""Whoever comes with this key is refused."""
MODELS = ("gpt-4.1-mini", "claude-sonnet-4-6")
WAIT_SECONDS = 60.0


@dataclass
class Recorded:
    """One request as it came in. `closed`: the client went away before the answer was whole."""

    path: str
    headers: dict[str, str]
    body: Any
    behaviour: str = "usual"
    closed: bool = field(default=False)

    @property
    def key(self) -> str:
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


class ModelServer:
    """Runs in a thread of its own, so both synchronous and asynchronous tests can use it."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self.requests: list[Recorded] = []
        self._seen: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)

    @property
    def openai_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def reset(self) -> None:
        """Forgets all requests; `-once` behaviours begin anew."""
        with self._changed:
            self.requests.clear()
            self._seen.clear()

    def wait_until(self, holds: Callable[[list[Recorded]], bool]) -> None:
        """Blocks until the recorded requests are as wanted; call it in a thread from async tests."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self.requests), WAIT_SECONDS):
                raise AssertionError(f"did not happen within {WAIT_SECONDS} s: {self.requests}")

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            server = await asyncio.start_server(self._connected, self.host, self.port)
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        connections = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                if not await _Exchange(self, reader, writer).answer(*request):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    def record(self, recorded: Recorded) -> Behaviour:
        """Notes the request and says how it is to be treated."""
        model = recorded.body.get("model", "") if isinstance(recorded.body, dict) else ""
        name, once = named(model)
        with self._changed:
            if once and self._seen[model]:
                name = "usual"
            self._seen[model] += 1
            recorded.behaviour = name
            self.requests.append(recorded)
            self._changed.notify_all()
        return BEHAVIOURS[name]

    def note_closed(self, recorded: Recorded) -> None:
        with self._changed:
            recorded.closed = True
            self._changed.notify_all()


class _Exchange:
    """One request and its answer. `answer` says whether the connection may be used again."""

    def __init__(
        self, server: ModelServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> bool:
        path = path.partition("?")[0]
        if method == "GET" and path == "/v1/models":
            return await self._json(200, {"object": "list", "data": [{"id": name} for name in MODELS]})
        form = FORMATS.get(path)
        if form is None or method != "POST":
            return await self._json(404, {"error": {"message": f"no {method} {path} here"}})
        recorded = Recorded(path, headers, json.loads(content))
        behaviour = self._server.record(recorded)
        if recorded.key == BAD_KEY or behaviour.status != 200:
            return await self._refuse(form, behaviour, recorded)
        asked = form.asked(recorded.body)
        reply = reply_to(asked, behaviour.answer)
        if behaviour.ending == "hang":
            return await self._until_closed(recorded)
        if behaviour.answer == "not-json":
            return await self._send(200, "text/html", b"<html>A proxy is in the way</html>")
        if asked.stream:
            return await self._stream(form, reply, asked.model, behaviour, recorded)
        body = json.dumps(form.whole(reply, asked.model)).encode()
        if behaviour.answer == "broken-json":
            body = body[: len(body) // 2]
        if behaviour.ending == "cut":
            self._head(200, "application/json", [f"content-length: {len(body)}"])
            self._writer.write(body[: len(body) // 2])
            await self._writer.drain()
            return False
        return await self._send(200, "application/json", body)

    async def _refuse(self, form: ModuleType, behaviour: Behaviour, recorded: Recorded) -> bool:
        if recorded.key == BAD_KEY:
            behaviour = BEHAVIOURS["unauthorized"]
        # Providers do repeat keys in what they say.
        message = f"Refused on purpose: {behaviour.code}. Your API key: {recorded.key}"
        body = form.error(behaviour.status, behaviour.code, message)
        more = [f"retry-after: {behaviour.retry_after}"] if behaviour.retry_after else []
        return await self._json(behaviour.status, body, more)

    async def _stream(
        self, form: ModuleType, reply: Reply, model: str, behaviour: Behaviour, recorded: Recorded
    ) -> bool:
        events = list(form.stream(reply, model))
        if behaviour.answer == "broken-json":
            middle = len(events) // 2
            events[middle] = events[middle][: len(events[middle]) // 2] + "\n\n"
        if behaviour.ending != "usual":
            events = events[: len(events) // 2]
        if behaviour.ending == "stream-error":
            events.append(form.stream_error())
        self._head(200, "text/event-stream", ["transfer-encoding: chunked"])
        try:
            for event in events:
                content = event.encode()
                self._writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
                await self._writer.drain()
        except ConnectionError:
            self._server.note_closed(recorded)
            return False
        if behaviour.ending == "stall":
            return await self._until_closed(recorded)
        if behaviour.ending == "cut":
            return False
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True

    async def _until_closed(self, recorded: Recorded) -> bool:
        with contextlib.suppress(ConnectionError):
            await self._reader.read(1)
        self._server.note_closed(recorded)
        return False

    def _json(self, status: int, body: Any, headers: list[str] | None = None) -> Coroutine[Any, Any, bool]:
        return self._send(status, "application/json", json.dumps(body).encode(), headers)

    async def _send(self, status: int, kind: str, body: bytes, headers: list[str] | None = None) -> bool:
        self._head(status, kind, [f"content-length: {len(body)}", *(headers or [])])
        self._writer.write(body)
        await self._writer.drain()
        return True

    def _head(self, status: int, kind: str, headers: list[str]) -> None:
        lines = [f"HTTP/1.1 {status} -", f"content-type: {kind}", *headers, "", ""]
        self._writer.write("\r\n".join(lines).encode())


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes] | None:
    """The next request of a connection; None when there is none."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
