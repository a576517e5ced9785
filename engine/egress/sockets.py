"""Connections of our own making, for what is no HTTP: to an address that the policy has checked."""

import asyncio
import socket

from engine.egress.policy import Policy


async def connected(policy: Policy, host: str, port: int, seconds: float) -> socket.socket:
    """To the first of the host's addresses that answers. Raises EgressRefusedError, OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    async with asyncio.timeout(seconds):
        for address in await policy.addresses(host, port):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, (address, port))
                return sock
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
    raise failure
