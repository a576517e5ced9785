import ipaddress

import pytest

from engine.egress import GuardedEgress
from engine.egress.policy import AllowedHosts, Policy, is_refused
from engine.errors import EgressRefusedError, ResponseTooLargeError
from tests.engine.http_server import Answer, serving

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - it is refused
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2001::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address):
    assert is_refused(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address):
    assert not is_refused(ipaddress.ip_address(address))


def resolving(*addresses):
    async def resolve(host, port):
        return list(addresses)

    return resolve


async def test_a_name_is_refused_if_any_of_its_addresses_is():
    policy = Policy(resolve=resolving("1.1.1.1", "10.0.0.1"))
    with pytest.raises(EgressRefusedError) as caught:
        await policy.addresses("mixed.example", 443)
    assert caught.value.details == {"host": "mixed.example", "port": 443}
    assert await Policy(resolve=resolving("1.1.1.1")).addresses("fine.example", 443) == ["1.1.1.1"]


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "fe80::1%eth0", "::ffff:10.0.0.1"])
async def test_literal_addresses_are_checked_without_asking_anyone(host):
    with pytest.raises(EgressRefusedError):
        await Policy(resolve=resolving("1.1.1.1")).addresses(host, 80)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
async def test_odd_spellings_of_this_machine_are_seen_through(host):
    with pytest.raises((EgressRefusedError, OSError)):
        await Policy().addresses(host, 80)


@pytest.mark.parametrize(
    ("allowed", "host", "port", "fine"),
    [
        ("model.local", "model.local", 1, True),
        ("Model.Local.", "model.local", 1, True),
        ("model.local", "other.local", 1, False),
        ("model.local:8080", "model.local", 8080, True),
        ("model.local:8080", "model.local", 80, False),
        ("10.0.0.5", "model.local", 80, True),
        ("10.0.0.5:8080", "10.0.0.5", 80, False),
        ("10.0.0.5:8080", "10.0.0.5", 8080, True),
        ("10.0.0.0/8", "10.0.0.5", 80, True),
        ("10.0.0.0/8:8080", "10.0.0.5", 8080, True),
        ("192.168.0.0/16", "10.0.0.5", 80, False),
        ("fd00::/8", "10.0.0.5", 80, False),
        ("", "10.0.0.5", 80, False),
    ],
)
async def test_exceptions_are_names_addresses_or_networks_with_or_without_a_port(allowed, host, port, fine):
    policy = Policy([allowed], resolve=resolving("10.0.0.5"))
    if fine:
        assert await policy.addresses(host, port) == ["10.0.0.5"]
    else:
        with pytest.raises(EgressRefusedError):
            await policy.addresses(host, port)


async def test_exceptions_with_version_6():
    policy = Policy(["[::1]:11434", "fd00::1"])
    assert await policy.addresses("::1", 11434) == ["::1"]
    assert await policy.addresses("fd00::1", 80) == ["fd00::1"]
    with pytest.raises(EgressRefusedError):
        await policy.addresses("::1", 80)
    assert AllowedHosts.parse([" "]) == AllowedHosts()


async def test_it_connects_to_what_it_checked_and_not_to_what_the_name_means_later():
    """A name that first stands for a public address, then for this machine."""
    asked = 0

    async def rebinding(host, port):
        nonlocal asked
        asked += 1
        return ["127.0.0.1"] if asked == 1 else ["10.0.0.1"]

    async with serving(lambda request: Answer(200, "reached")) as server:
        egress = GuardedEgress(["127.0.0.1"], resolve=rebinding)
        async with egress.http() as client:
            assert (await client.get(f"http://rebind.test:{server.port}/")).json() == "reached"
            assert server.requests[0].headers["host"] == f"rebind.test:{server.port}"
        await egress.aclose()
    assert asked == 1


async def test_the_next_address_is_tried_where_one_does_not_answer():
    async with serving(lambda request: Answer()) as server:
        egress = GuardedEgress(["127.0.0.0/8"], resolve=resolving("127.0.0.2", "127.0.0.1"))
        async with egress.http() as client:
            assert (await client.get(f"http://two.test:{server.port}/")).status_code == 200
        await egress.aclose()


async def test_names_that_do_not_exist_cannot_be_reached():
    import httpx

    async def unknown(host, port):
        raise OSError("unknown name")

    for resolve in (unknown, resolving()):
        egress = GuardedEgress(resolve=resolve)
        async with egress.http() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://nowhere.test/")
        await egress.aclose()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_both_libraries_go_through_the_policy(library):
    import importlib

    http = importlib.import_module(library)
    async with serving(lambda request: Answer(200, "x" * 100)) as server:
        allowed, refused = GuardedEgress(["127.0.0.1"]), GuardedEgress()
        small = GuardedEgress(["127.0.0.1"], max_response_bytes=50)
        for egress, expected in (
            (allowed, None),
            (refused, EgressRefusedError),
            (small, ResponseTooLargeError),
        ):
            transport = egress.transport() if library == "httpx" else egress.transport2()
            async with http.AsyncClient(transport=transport, trust_env=False) as client:
                if expected is None:
                    assert (await client.get(f"http://127.0.0.1:{server.port}/")).json() == "x" * 100
                else:
                    with pytest.raises(expected):
                        await client.get(f"http://127.0.0.1:{server.port}/")
            await egress.aclose()


async def test_the_environments_proxies_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(lambda request: Answer(200, "direct")) as server:
        egress = GuardedEgress(["127.0.0.1"])
        async with egress.http() as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/")).json() == "direct"
        await egress.aclose()


async def test_clients_share_connections_and_no_cookies():
    answer = Answer(200, None, {"set-cookie": "who=alice"})
    async with serving(lambda request: answer) as server:
        egress = GuardedEgress(["127.0.0.1"])
        for _ in range(2):
            async with egress.http() as client:
                await client.get(f"http://127.0.0.1:{server.port}/")
        await egress.aclose()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]
