"""Devices: packed small, read back as they were, taken from what of a request can be trusted."""

import zlib
from ipaddress import ip_network

import pytest
from hypothesis import strategies as st

from redis_sessions import devices
from redis_sessions.devices import Device, client_ip, differs, is_fresh, pack, truncated, unpack
from tests.properties import given

NOW = 1_800_000_000
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
AGENTS = [
    WINDOWS + "Chrome/142.0.0.0 Safari/537.36",
    WINDOWS + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/18.5 Safari/605.1.15"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6_2 like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1"
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/142.0.0.0 Mobile Safari/537.36"
    ),
    "curl/8.5.0",
]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ff::/48")]

addresses = st.one_of(st.just(""), st.ip_addresses().map(lambda ip: client_ip_of(str(ip))))


def client_ip_of(address: str) -> str:
    return client_ip({"REMOTE_ADDR": address}, [])


@given(addresses, st.text())
def test_what_was_packed_is_read_back(ip: str, agent: str) -> None:
    cut = agent.encode(errors="replace").decode()[:512]
    assert unpack(pack(Device(ip, agent), NOW)) == Device(ip, cut)


@given(st.ip_addresses())
def test_a_truncated_address_is_read_back(ip: object) -> None:
    network = truncated(str(ip))
    assert network.endswith(("/24", "/48"))
    assert unpack(pack(Device(network), NOW)) == Device(network)


@given(st.binary(max_size=80))
def test_bytes_that_nobody_packed_are_a_device_of_which_little_is_known(stored: bytes) -> None:
    assert isinstance(unpack(stored), Device)
    assert len(unpack(stored).user_agent) <= 512


@pytest.mark.parametrize("agent", AGENTS)
def test_what_browsers_call_themselves_fits_a_compact_hash_with_the_longest_address(agent) -> None:
    assert len(pack(Device("2001:db8:1:2:3:4:5:6", agent), NOW)) <= 64


def test_a_long_user_agent_is_cut_at_512_characters() -> None:
    assert unpack(pack(Device("", "é" * 5000), NOW)).user_agent == "é" * 512


def test_however_long_user_agents_are_512_characters_of_them_are_remembered() -> None:
    devices._packed.cache_clear()
    long = [Device("", "x" * 512 + end * 5000) for end in "abc"]
    noted = [pack(device, NOW) for device in long]
    assert not any(differs(device, noted[0]) for device in long)
    assert devices._packed.cache_info().currsize == 1


def test_little_that_inflates_to_much_is_cut() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    planted = bytes(5) + deflate.compress(b"a" * 50_000_000) + deflate.flush()
    assert len(unpack(planted).user_agent) == 512


def test_a_device_is_fresh_for_the_interval() -> None:
    noted = pack(Device("192.0.2.1"), NOW)
    assert is_fresh(noted, NOW + 59, 60)
    assert not is_fresh(noted, NOW + 60, 60)
    assert not is_fresh(b"", NOW, 60)


def test_another_address_or_user_agent_is_another_device() -> None:
    noted = pack(Device("192.0.2.1", "curl"), NOW)
    assert not differs(Device("192.0.2.1", "curl"), noted)
    assert differs(Device("192.0.2.2", "curl"), noted)
    assert differs(Device("192.0.2.1", "wget"), noted)
    assert differs(Device("192.0.2.1"), b"")
    assert not differs(Device(), b"")


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "client"),
    [
        ("198.51.100.7", "", [], "198.51.100.7"),
        ("198.51.100.7", "192.0.2.66", [], "198.51.100.7"),
        ("198.51.100.7", "192.0.2.66", PROXIES, "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66", PROXIES, "192.0.2.66"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.66", PROXIES, "192.0.2.66"),
        ("10.0.0.1", "6.6.6.6,192.0.2.66 , 10.2.2.2", PROXIES, "192.0.2.66"),
        ("2001:db8:ff::1", "2001:db8::7", PROXIES, "2001:db8::7"),
        ("::ffff:10.0.0.1", "192.0.2.66", PROXIES, "192.0.2.66"),
        ("10.0.0.1", "", PROXIES, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", PROXIES, "10.0.0.2"),
        ("10.0.0.1", "<script>", PROXIES, ""),
        ("10.0.0.1", "unknown, 10.0.0.2", PROXIES, ""),
        ("fe80::1%eth0", "", [], "fe80::1"),
        ("", "192.0.2.66", PROXIES, ""),
        (None, "192.0.2.66", PROXIES, ""),
        ("", "192.0.2.66", ["unix"], "192.0.2.66"),
        (None, "192.0.2.66", ["unix"], "192.0.2.66"),
        ("", "6.6.6.6, 192.0.2.66", ["unix"], "192.0.2.66"),
        ("", "6.6.6.6, 192.0.2.66, 10.2.2.2", ["unix", *PROXIES], "192.0.2.66"),
        ("", "6.6.6.6, unknown", ["unix"], ""),
        ("", "", ["unix"], ""),
        ("nonsense", "192.0.2.66", ["unix"], ""),
        ("198.51.100.7", "192.0.2.66", ["unix"], "198.51.100.7"),
        ("10.0.0.1", "192.0.2.9:4711", PROXIES, "192.0.2.9"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.9:4711, 10.2.2.2:80", PROXIES, "192.0.2.9"),
        ("10.0.0.1", "[2001:db8::1]:4711", PROXIES, "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", PROXIES, "2001:db8::1"),
        ("10.0.0.1", "[::ffff:192.0.2.9]:4711", PROXIES, "192.0.2.9"),
        ("10.0.0.1", "192.0.2.9:", PROXIES, ""),
        ("10.0.0.1", "192.0.2.9:http", PROXIES, ""),
        ("10.0.0.1", "[]:4711", PROXIES, ""),
        ("10.0.0.1", "[2001:db8::1", PROXIES, ""),
    ],
)
def test_the_client_is_the_last_hop_that_no_trusted_proxy_has(
    remote, forwarded, trusted, client
) -> None:
    meta = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_ip(meta, trusted) == client


@pytest.mark.parametrize(
    ("ip", "network"),
    [("192.0.2.66", "192.0.2.0/24"), ("2001:db8:1:2::7", "2001:db8:1::/48"), ("", "")],
)
def test_a_truncated_address_is_its_network(ip: str, network: str) -> None:
    assert truncated(ip) == network
