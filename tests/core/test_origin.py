"""Whose address a request counts for: any client can write X-Forwarded-For, only our proxies are believed."""

import pytest

from agentflow_app.core.origin import Origin, origin_of

PROXIES = ["10.0.0.0/8", "2001:db8::1"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("1.1.1.1", "2.2.2.2", "1.1.1.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "2.2.2.2", "2.2.2.2"),
        ("10.0.0.1", "6.6.6.6, 2.2.2.2", "2.2.2.2"),
        ("10.0.0.1", "2.2.2.2, 10.9.9.9", "2.2.2.2"),
        ("2001:db8::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:10.0.0.1", "2.2.2.2", "2.2.2.2"),
        ("10.0.0.1", "not an address", None),
        (None, "2.2.2.2", None),
    ],
)
def test_the_address_is_the_last_one_that_no_proxy_of_ours_has(
    peer: str | None, forwarded: str, expected: str | None
) -> None:
    assert origin_of(peer, {"x-forwarded-for": forwarded}, PROXIES).address == expected


def test_a_browser_cannot_write_much_into_the_records() -> None:
    found = origin_of("1.1.1.1", {"user-agent": "a\nb\x00" + "c" * 1000}, [])
    assert found == Origin("1.1.1.1", "ab" + "c" * 296)
