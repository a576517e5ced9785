"""The one way out. It resolves a name, checks every address it stands for, and connects to what it checked.

A redirect is a new connection, so it is checked again. Proxies of the environment are not used: they would
connect where nobody looks.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from engine.egress.origins import Origin, origins
from engine.egress.policy import Policy, Resolve, resolve_host
from engine.egress.sockets import connected
from engine.egress.transport import guarded_transport, shared
from engine.errors import EgressRefusedError

if TYPE_CHECKING:
    import socket

    import httpx
    import httpx2

    from engine.ports import Stamp

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""As they come over the wire."""
TIMEOUT_SECONDS = 60.0
MAX_REDIRECTS = 10
CONNECT_SECONDS = 20.0


class GuardedEgress:
    """The engine's Egress, and what SDKs that bring their own httpx2 client are given as transport.

    `allowed_hosts` are reachable although they are private. One instance serves many executions: they share
    the connection pool, and nothing else. Use it in one event loop, and close it.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = resolve_host,
    ) -> None:
        self.policy = Policy(allowed_hosts, resolve=resolve)
        self._max_bytes = max_response_bytes
        self._timeout = timeout_seconds
        self._transport: httpx.AsyncBaseTransport | None = None
        self._transport2: httpx2.AsyncBaseTransport | None = None

    @asynccontextmanager
    async def http(self, stamp: "Stamp | None" = None) -> AsyncIterator["httpx.AsyncClient"]:
        """A client of its own, so without anybody else's cookies, over the shared connections."""
        import httpx

        async with httpx.AsyncClient(
            transport=shared(httpx, self.transport(), stamp),
            timeout=self._timeout,
            trust_env=False,
            max_redirects=MAX_REDIRECTS,
        ) as client:
            yield client

    async def tcp(self, host: str, port: int) -> "socket.socket":
        return await connected(self.policy, host, port, CONNECT_SECONDS)

    def transport(self) -> "httpx.AsyncBaseTransport":
        """For clients built on httpx."""
        if self._transport is None:
            import httpcore
            import httpx

            self._transport = guarded_transport(httpx, httpcore, self.policy, self._max_bytes)
        return self._transport

    def transport2(self) -> "httpx2.AsyncBaseTransport":
        """For clients built on httpx2, as those of model providers."""
        if self._transport2 is None:
            import httpcore2
            import httpx2

            self._transport2 = guarded_transport(httpx2, httpcore2, self.policy, self._max_bytes)
        return self._transport2

    def limited(self, allowed_hosts: Iterable[str]) -> "LimitedEgress":
        """The same way out, but only to these hosts; none of them: to all."""
        return LimitedEgress(self, origins(allowed_hosts))

    async def aclose(self) -> None:
        for transport in (self._transport, self._transport2):
            if transport is not None:
                await transport.aclose()
        self._transport = self._transport2 = None


class LimitedEgress:
    """An organization's way out: the shared one, to the hosts on its list."""

    def __init__(self, inner: GuardedEgress, allowed: tuple[Origin, ...]) -> None:
        self._inner = inner
        self._allowed = allowed

    def http(self, stamp: "Stamp | None" = None) -> AbstractAsyncContextManager["httpx.AsyncClient"]:
        return self._inner.http(self._checked(stamp) if self._allowed else stamp)

    async def tcp(self, host: str, port: int) -> "socket.socket":
        if self._allowed and not any(origin.covers(host) for origin in self._allowed):
            raise _outside(host)
        return await self._inner.tcp(host, port)

    def _checked(self, stamp: "Stamp | None") -> "Stamp":
        def check(request: "httpx.Request") -> "httpx.Request":
            if not any(origin.names(request.url) for origin in self._allowed):
                raise _outside(request.url.host)
            return stamp(request) if stamp is not None else request

        return check


def _outside(host: str) -> EgressRefusedError:
    return EgressRefusedError(
        f"{host} is not among the hosts that this organization allows", details={"host": host}
    )
