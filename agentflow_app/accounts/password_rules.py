"""What a password may be: long enough, not one of those that are tried first, not the address itself."""

from functools import lru_cache
from pathlib import Path

from agentflow_app.core.errors import ValidationFailed

MIN_LENGTH = 8
MAX_LENGTH = 256


@lru_cache(maxsize=1)
def _tried_first() -> frozenset[str]:
    return frozenset((Path(__file__).parent / "common_passwords.txt").read_text("utf-8").split())


def check_password(password: str, email: str, *, field: str = "password") -> None:
    """Raises ValidationFailed, naming `field`."""
    plain = password.strip().lower()
    if plain in _tried_first() or len(set(plain)) < 3:
        raise ValidationFailed(fields={field: "is among the passwords that are tried first; choose another"})
    if plain in (email.lower(), email.lower().partition("@")[0]):
        raise ValidationFailed(fields={field: "is your e-mail address; choose another"})
