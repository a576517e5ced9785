"""JSON that PostgreSQL takes, whatever a run produced."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from agentflow_app.core.database import database
from agentflow_app.core.serialization import dumps, loads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_is_storable_comes_back_as_it_was(value: Any) -> None:
    if "\x00" not in repr(value) and "\\x00" not in repr(value):
        assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("half \ud83d", "half \ufffd"),
        ({"k\x00": ["\ud800", 2**70]}, {"k\ufffd": ["\ufffd", 2**70]}),
        ([float("nan"), 2**70], [None, 2**70]),
        ("whole \U0001f600 \\u0000", "whole \U0001f600 \\u0000"),
        (Decimal("1.50"), "1.50"),
    ],
)
async def test_what_is_not_storable_is_replaced(api: object, value: Any, kept: Any) -> None:
    async with database().transaction() as tx:
        stored = (await tx.execute(text("SELECT cast(:v AS jsonb)"), {"v": dumps(value)})).scalar_one()
    assert stored == kept


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps(object())
