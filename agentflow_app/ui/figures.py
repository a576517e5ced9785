"""Durations, money and counts as the pages write them."""

from datetime import datetime
from decimal import Decimal

_LEAST = Decimal("0.0001")


def duration(ms: float | None) -> str:
    """`840 ms`, `3.2 s`, `4 min 5 s`, `2 h 10 min`; empty for None."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{round(ms)} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def cost(amount: Decimal | str | None) -> str:
    """USD, with as many digits as a small amount needs; empty for nothing spent."""
    value = Decimal(amount or 0)
    if not value:
        return ""
    if value < _LEAST:
        return f"< ${_LEAST}"
    return f"${value:.2f}" if value >= 1 else f"${value:.4f}".rstrip("0")


def tokens(count: float | None) -> str:
    if not count:
        return ""
    if count == 1:
        return "1 token"
    return f"{count:,.0f} tokens" if count < 10_000 else f"{count / 1000:,.1f}k tokens"


def size(count: int) -> str:
    """Bytes as `840 B`, `3.2 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def percent(rate: float | None) -> str:
    """Rounded, but never up to a perfect score."""
    if rate is None:
        return "n/a"
    return f"{rate:.0%}".replace("%", " %") if rate in (0, 1) else f"{min(rate * 100, 99.9):.1f} %"


def facts(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def moment(when: datetime | None) -> str:
    """For `relative_time`."""
    return when.isoformat() if when else ""
