"""Transports for httpx and for httpx2, which model SDKs use: the same code over either library."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from types import ModuleType
from typing import Any

from engine.egress.inflation import Inflation, TooManyCodingsError, coding_of
from engine.egress.policy import Policy
from engine.errors import EgressRefusedError, ResponseTooLargeError

MAX_CONNECTIONS = 200
MAX_IDLE_CONNECTIONS = 50


def guarded_transport(http: ModuleType, core: ModuleType, policy: Policy, max_bytes: int) -> Any:
    """A transport of the client library `http` on its own `core` that connects as the policy says.

    Answers larger than `max_bytes`, as they come over the wire or once they are opened, are cut off with
    ResponseTooLargeError; what is compressed more than once is the library's DecodingError.
    """

    class Backend(core.AsyncNetworkBackend):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._inner = core.AnyIOBackend()

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> Any:
            try:
                addresses = await policy.addresses(host, port)
            except OSError as error:
                raise core.ConnectError(f"{host} could not be resolved: {error}") from error
            failure: Exception = core.ConnectError(f"{host} has no address")
            for address in addresses:
                try:
                    return await self._inner.connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                except (core.ConnectError, core.ConnectTimeout) as error:
                    failure = error
            raise failure

        async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> Any:
            raise EgressRefusedError("Sockets of this machine are not for agents")

        async def sleep(self, seconds: float) -> None:
            await self._inner.sleep(seconds)

    def too_large() -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"The answer is larger than {max_bytes} bytes", details={"limit_bytes": max_bytes}
        )

    class Capped(http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._stream:
                size += len(chunk)
                if size > max_bytes:
                    raise too_large()
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Inflated(Capped):
        def __init__(self, stream: Any, coding: str, request: Any) -> None:
            super().__init__(stream)
            self._inflation = Inflation(coding)
            self._request = request

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in super().__aiter__():
                try:
                    for piece in self._inflation.feed(chunk):
                        size += len(piece)
                        if size > max_bytes:
                            raise too_large()
                        yield piece
                except zlib.error as error:
                    raise http.DecodingError(str(error), request=self._request) from error

    class GuardedTransport(http.AsyncHTTPTransport):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            ssl_context = http.create_ssl_context(trust_env=False)
            super().__init__(verify=ssl_context, trust_env=False)
            # The library has no parameter for the network backend, its pool has.
            self._pool = core.AsyncConnectionPool(
                ssl_context=ssl_context,
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=30.0,
                network_backend=Backend(),
            )

        async def handle_async_request(self, request: Any) -> Any:
            response = await super().handle_async_request(request)
            try:
                coding = coding_of(response.headers.get("content-encoding", ""))
            except TooManyCodingsError as error:
                await response.aclose()
                raise http.DecodingError(str(error), request=request) from error
            if coding is None or request.method == "HEAD":
                response.stream = Capped(response.stream)
            else:
                response.stream = Inflated(response.stream, coding, request)
                response.headers.pop("content-length", None)
            if request.method != "HEAD":
                # The library would open it, too, without measure, by whatever packages for it are installed.
                response.headers.pop("content-encoding", None)
            return response

    return GuardedTransport()


def shared(http: ModuleType, transport: Any, stamp: Callable[[Any], Any] | None = None) -> Any:
    """The transport for one client among several: closing the client leaves it open."""

    class Shared(http.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            return await transport.handle_async_request(stamp(request) if stamp else request)

        async def aclose(self) -> None:
            return None

    return Shared()
