"""Whose address a request counts for: any client can write X-Forwarded-For, only our proxies are believed."""

import pytest

from agentflow_app.core import settings as settings_module
from agentflow_app.core.origin import Origin, is_foreign, origin_of

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


@pytest.mark.parametrize(
    ("page", "host", "public", "foreign"),
    [
        (None, "app.example", None, False),
        ("https://app.example", "app.example", None, False),
        ("http://192.168.1.5:3000", "192.168.1.5:3000", None, False),
        ("https://listed.example", "app.example", None, False),
        ("https://evil.example", "app.example", None, True),
        ("https://app.example.evil", "app.example", None, True),
        ("null", "app.example", None, True),
        ("https://app.example", "inner:3000", "https://app.example", False),
        ("http://app.example", "app.example", "https://app.example", True),
        ("https://evil.example", "evil.example", "https://app.example", True),
    ],
)
def test_only_our_own_and_listed_pages_may_use_a_login(
    page: str | None, host: str, public: str | None, foreign: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTFLOW_CORS_ORIGINS", "https://listed.example")
    if public:
        monkeypatch.setenv("AGENTFLOW_PUBLIC_URL", public)
    settings_module.settings.cache_clear()
    assert is_foreign(page, host) is foreign
    monkeypatch.undo()
    settings_module.settings.cache_clear()
