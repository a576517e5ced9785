"""Argon2id, off the event loop, and as slow for an unknown account as for a known one."""

import asyncio
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()


@lru_cache(maxsize=1)
def _gate() -> asyncio.Semaphore:
    """Each hash takes 64 MiB, so a flood of logins waits instead of filling the memory."""
    return asyncio.Semaphore(4)


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher.hash("the password of no account")


async def hash_password(password: str) -> str:
    async with _gate():
        return await asyncio.to_thread(_hasher.hash, password)


def _verify(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one hashed as `stored`; None takes the same time and is never right."""
    async with _gate():
        return await asyncio.to_thread(_verify, stored, password)
