"""Devices: where a session is used from, packed small enough for the record. No I/O, no settings.

Packed: 4 bytes of unix time, the length of the ip and the ip, and the user agent, deflated with a
dictionary of what user agents consist of. That keeps most below the 64 bytes of a compact hash.
"""

import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

UNIX = "unix"  # stands for a peer without an address: one behind a Unix socket
Proxy = IPv4Network | IPv6Network | str  # a network, or UNIX

_LONGEST = 512  # characters of a user agent; the common ones have less than 200
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]+|\[([^]]*)\](?::[0-9]+)?")
# Never change: what was packed with another dictionary cannot be read. The commonest come last.
_DICTIONARY = (
    b"compatible; bot http://www.Googlebot/2.1 curl/ python-requests/ okhttp/ Dart/ CFNetwork/"
    b" Darwin/ PlayStation; CrOS x86_64 SMART-TV; Tizen webOS SamsungBrowser/ YaBrowser/ Vivaldi/"
    b" OPR/ Electron/ HeadlessChrome/ FxiOS/ EdgiOS/ CriOS/ EdgA/ GSA/ Instagram FBAN/FBIOS;FBAV/"
    b" wv) Build/ SM-G SM-A SM-S Pixel Moto Redmi Xiaomi HUAWEI OnePlus Mobile/15E148 Safari/604.1"
    b"Mozilla/5.0 (iPad; CPU OS like Mac OS X) Mozilla/5.0 (iPhone; CPU iPhone OS 18_"
    b" like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Version/18."
    b" Mobile/15E148 Safari/605.1.15"
    b"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    b"Mozilla/5.0 (Linux; Android 10; K) Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
    b"Mozilla/5.0 (X11; Linux x86_64) Edg/14Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
    b" AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session is used from. What is not known is empty."""

    ip: str = ""  # an address; truncated ones are given as a network: 192.0.2.0/24
    user_agent: str = ""  # as the client sent it, cut at 512 characters: escape it


def pack(device: Device, now: int) -> bytes:
    """Return a device as bytes."""
    return now.to_bytes(4) + _body(device)


def unpack(packed: bytes) -> Device:
    """Return the device that was packed; an empty one where that cannot be read."""
    try:
        end = 5 + packed[4]
        return Device(_ip_text(packed[5:end]), _inflated(packed[end:]))
    except (IndexError, ValueError, zlib.error):
        return Device()


def is_fresh(packed: bytes, now: int, interval: int) -> bool:
    """Tell whether a device was noted less than ``interval`` seconds ago."""
    return bool(packed) and now < int.from_bytes(packed[:4]) + interval


def differs(device: Device, packed: bytes) -> bool:
    """Tell whether a device is another than the one that was noted."""
    return packed[4:] != _body(device) if packed else device != Device()


def client_ip(meta: Mapping[str, Any], trusted: Collection[Proxy]) -> str:
    """Return the address of the client: the last one that no trusted proxy has.

    ``X-Forwarded-For`` counts as far as each hop towards the client was told by a proxy of
    ``trusted``: whatever else stands in it, the client may have written. Empty where not known.
    """
    hops = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if trusted else []
    hops = [hop.strip() for hop in hops if hop.strip()]
    networks = [proxy for proxy in trusted if not isinstance(proxy, str)]
    peer = str(meta.get("REMOTE_ADDR") or "")
    client = _address(hops.pop() if hops and not peer and UNIX in trusted else peer)
    while hops and client and any(ip_address(client) in network for network in networks):
        client = _address(hops.pop())
    return client


def truncated(ip: str) -> str:
    """Return the network of an address, /24 or for IPv6 /48: it tells a region, not a person."""
    if not ip:
        return ""
    size = 24 if ip_address(ip).version == 4 else 48
    return str(ip_network((ip, size), strict=False))


def _address(text: str) -> str:
    """Return an address in its usual form, without a port; empty for what is none."""
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _body(device: Device) -> bytes:
    # Cut before the cache, which would keep megabytes of what clients make up.
    return _packed(device.ip, device.user_agent[:_LONGEST])


@lru_cache(maxsize=4096)
def _packed(ip: str, user_agent: str) -> bytes:
    address, _, size = ip.partition("/")
    network = ip_address(address).packed if ip else b""
    kept = network[: int(size) // 8] if size else network
    return bytes([len(kept)]) + kept + _deflated(user_agent)


def _ip_text(kept: bytes) -> str:
    match len(kept):
        case 0:
            return ""
        case 3:
            return str(ip_network((kept + b"\0", 24)))
        case 6:
            return str(ip_network((kept + bytes(10), 48)))
    return str(ip_address(kept))


def _deflated(text: str) -> bytes:
    if not text:
        return b""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_DICTIONARY)
    return deflate.compress(text.encode(errors="replace")) + deflate.flush()


def _inflated(packed: bytes) -> str:
    """Return a text; only so much of it as one could have put there."""
    if not packed:
        return ""
    inflate = zlib.decompressobj(-15, zdict=_DICTIONARY)
    return inflate.decompress(packed, 4 * _LONGEST).decode(errors="replace")[:_LONGEST]
