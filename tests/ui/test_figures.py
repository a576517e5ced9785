from decimal import Decimal

import pytest

from agentflow_app.ui.figures import cost, duration, facts, percent, tokens


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_949, "59.9 s"),
        (245_000, "4 min 5 s"),
        (7_800_000, "2 h 10 min"),
    ],
)
def test_durations_are_as_fine_as_they_need_to_be(ms: int | None, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(None, ""), (Decimal(0), ""), ("0.00310", "$0.0031"), (Decimal("12.5"), "$12.50")]
)
def test_small_amounts_keep_their_digits(amount: Decimal | str | None, text: str) -> None:
    assert cost(amount) == text


def test_an_amount_too_small_to_write_is_not_shown_as_nothing() -> None:
    assert cost("0.0000004") == "< $0.0001"


def test_counts_and_rates() -> None:
    assert tokens(0) == ""
    assert tokens(1) == "1 token"
    assert tokens(1_234) == "1,234 tokens"
    assert tokens(123_456) == "123.5k tokens"
    assert percent(None) == "n/a"
    assert percent(1.0) == "100 %"
    assert percent(0.0) == "0 %"
    assert percent(0.9666) == "96.7 %"
    assert percent(0.9999) == "99.9 %"


def test_absent_facts_leave_no_gap() -> None:
    assert facts("", "2 s", "", "$1") == "2 s · $1"
