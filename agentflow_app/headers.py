"""What browsers are told about every answer: what a page may load and run, and who may frame or read it."""

import base64
import hashlib
import re
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

from agentflow_app.core.settings import Settings

Message = MutableMapping[str, Any]
_INLINE_SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_DATA = b"default-src 'none'; frame-ancestors 'none'"


def inline_scripts(pages: Iterable[str]) -> list[str]:
    """The sources by which a policy names the inline scripts of these pages: their hashes."""
    found = {script for page in pages for script in _INLINE_SCRIPT.findall(page)}
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found)
    return sorted(f"'sha256-{each}'" for each in hashes)


def page_policy(scripts: Iterable[str]) -> str:
    """The Content-Security-Policy of the pages.

    Only scripts that were built run, inline ones by their hash. `unsafe-eval` is for Reflex, which evaluates
    what a handler sends (a toast); text that is put into a page is still never run. Styles are inline because
    the component library measures and places by them.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {' '.join(scripts)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "worker-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """Around the whole web process, so that no answer goes without them."""

    def __init__(self, application: Any, config: Settings, build: Path, *more: str) -> None:
        """`build` holds the pages; `more` are pages made from them."""
        self._application = application
        pages = [*(path.read_text("utf-8") for path in sorted(build.rglob("*.html"))), *more]
        self._page_policy = page_policy(inline_scripts(pages)).encode()
        self._always = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ]
        if config.production:
            self._always.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name.lower(): value for name, value in headers}
                if b"content-security-policy" not in given:
                    # Nothing said: an answer that a kept page is still good, under the policy of today.
                    page = given.get(b"content-type", b"text/html").startswith(b"text/html")
                    headers.append((b"content-security-policy", self._page_policy if page else _DATA))
                message = {**message, "headers": [*headers, *self._always]}
            await send(message)

        await self._application(scope, receive, send_with_headers)
