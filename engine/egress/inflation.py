"""Compressed answers, opened in small pieces: a few bytes may stand for more than a machine's memory."""

import zlib
from collections.abc import Iterator
from typing import Any

PIECE = 64 * 1024
"""Bytes that are held of an answer while it is opened."""
CODINGS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class TooManyCodingsError(ValueError):
    """Compressed more than once: nobody needs it, and each layer multiplies."""


def coding_of(header: str) -> str | None:
    """How an answer with this Content-Encoding is compressed; None: not in a way that is opened here."""
    named = [each for part in header.split(",") if (each := part.strip().lower()) not in ("", "identity")]
    if len(named) > 1:
        raise TooManyCodingsError("The answer is compressed several times over")
    return named[0] if named and named[0] in CODINGS else None


class Inflation:
    """One compressed answer. Raises zlib.error for what is none."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inner: Any = zlib.decompressobj(CODINGS[coding])
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            piece = self._inner.decompress(data, PIECE)
        except zlib.error:
            if self._begun or self._coding != "deflate":
                raise
            # Many servers say deflate and leave the zlib header away.
            self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
            piece = self._inner.decompress(data, PIECE)
        self._begun = True
        while piece:
            yield piece
            piece = self._inner.decompress(self._inner.unconsumed_tail, PIECE)
