"""A line is logged whatever is in it."""

import json
import logging
from typing import Any

import pytest

from agentflow_app.core.logging import JsonFormatter


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("half of \ud83d a pair", {}),
        ("fine", {"error": "half of \udc00 a pair"}),
        ("fine", {"many": 2**70}),
        ("fine", {"by": {("a", "b"): {1: b"\xff"}}}),
        ("nul \x00 and \u2028 in a line", {"of": object()}),
    ],
)
def test_no_line_is_lost(text: str, extra: dict[str, Any]) -> None:
    record = logging.LogRecord("agentflow_app.x", logging.INFO, "x.py", 1, text, (), None)
    vars(record).update(extra)
    line = JsonFormatter().format(record)
    line.encode()
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["message"], entry["level"]) == (text, "info")
    assert set(extra) <= set(entry)
