"""Connections to the server, made from a django-redis entry of ``CACHES``. No names of commands.

One pool a process for sync code, made anew after a fork, and one shared connection for each event
loop, which is closed with its loop.
"""

import asyncio
import math
import os
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import redis.asyncio.connection
import redis.connection
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.pool import get_connection_factory

from . import sentinels
from .clusters import AsyncCluster, SyncCluster, of_cluster
from .lanes import Lanes
from .pools import SyncPool
from .slots import Address
from .wires import SharedConnection

# What sessions need where the site says nothing. redis-py's own: 5 s, no health check, RESP 3.
DEFAULTS = {
    "socket_timeout": 1.0,
    "socket_connect_timeout": 1.0,
    "health_check_interval": 20,
    "max_connections": 50,
    "timeout": 0.8,  # to wait for a free connection of the pool
    "protocol": 2,
}
# What belongs to the cache (or to one half only), and would break or change sessions.
NOT_OURS = {
    "connection_class",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "parser_class",
    "queue_class",
    "retry",
    "retry_on_error",
    "retry_on_timeout",
}

T = TypeVar("T")


class Patience(NamedTuple):
    """Seconds: for a free connection, to connect, for a reply; inf: as long as it takes."""

    free: float
    connect: float
    reply: float

    @property
    def call(self) -> float:
        """How long a call may take, all tries together."""
        return sum(self)


class _Pools:
    """What this process has. ``generation`` parts what was made before CACHES was changed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.generation = 0
        self.sync: dict[str, SyncPool | SyncCluster] = {}
        self.patience: dict[str, Patience] = {}
        self.loops: dict[asyncio.AbstractEventLoop, dict[tuple[Any, ...], Any]] = {}
        self.guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}


_pools = _Pools()


def pool(alias: str) -> SyncPool | SyncCluster:
    """Return the pool for sync code; of a cluster, its pools. Raises ImproperlyConfigured."""
    found = _pools.sync.get(alias)
    if found is None:
        with _pools.lock:
            found = _pools.sync.get(alias)
            if found is None:
                given = parameters(alias, redis.connection.parse_url)
                found = SyncCluster(alias, **given) if is_cluster(alias) else SyncPool(**given)
                _pools.sync[alias] = found
    return found


async def shared(alias: str) -> SharedConnection | AsyncCluster:
    """Return the connection of the running event loop; of a cluster, its connections.

    Raises ImproperlyConfigured.
    """
    return await _of_loop(alias, _make_shared)


async def lanes(alias: str) -> Lanes:
    """Return the loop's connections for calls that the server holds up. See shared()."""
    return await _of_loop(alias, _make_lanes)


def _make_shared(alias: str, given: dict[str, Any]) -> SharedConnection | AsyncCluster:
    return AsyncCluster(alias, **given) if is_cluster(alias) else SharedConnection(**given)


def _make_lanes(_: str, given: dict[str, Any]) -> Lanes:
    return Lanes(**given)


async def _of_loop(alias: str, make: Callable[[str, dict[str, Any]], T]) -> T:
    loop = asyncio.get_running_loop()
    if loop not in _pools.loops:
        await _watch(loop)
    key = (_pools.generation, alias, make)
    found: T | None = _pools.loops[loop].get(key)
    if found is None:
        found = make(alias, parameters(alias, redis.asyncio.connection.parse_url))
        _pools.loops[loop][key] = found
    return found


def patience(alias: str) -> Patience:
    """Return how long calls may take. Raises ImproperlyConfigured."""
    found = _pools.patience.get(alias)
    if found is None:
        given = parameters(alias, redis.connection.parse_url)
        names = ("timeout", "socket_connect_timeout", "socket_timeout")
        seconds = (given.get(name) for name in names)
        found = Patience(*(math.inf if each is None else each for each in seconds))
        _pools.patience[alias] = found
    return found


async def node(alias: str, address: Address | None) -> SharedConnection:
    """Return the connection of the running event loop to a node of a cluster, or to the server."""
    found = await shared(alias)
    return found.node(address) if isinstance(found, AsyncCluster) else found


def close() -> None:
    """Close the connections of sync code; they open again at the next use."""
    for open_pool in list(_pools.sync.values()):
        open_pool.disconnect()


async def aclose() -> None:
    """Close the connections of the running event loop; they open again at the next use."""
    await _close_loop(asyncio.get_running_loop())


def parameters(alias: str, parse_url: Callable[[str], Any]) -> dict[str, Any]:
    """Return a pool's keyword arguments for a ``CACHES`` entry. Raises ImproperlyConfigured."""
    entry = cache_entry(alias)
    options = dict(entry.get("OPTIONS", {}))
    factory = get_connection_factory(options)
    first, *others = locations(alias, entry)
    given = factory.make_connection_params(first) | pool_options(alias)
    if "connection_class" in given:
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] names a connection_class, which can serve one half of the sessions"
            " only. For TLS use a LOCATION that begins with rediss://."
        )
    address = _address(alias, given.pop("url"), parse_url)
    ours = DEFAULTS | {key: value for key, value in given.items() if key not in NOT_OURS}
    of_url = NOT_OURS - {"connection_class"}  # the URL names one for TLS and for Unix sockets
    made = ours | {key: value for key, value in address.items() if key not in of_url}
    if not isinstance(options.get("CLUSTER", False), bool):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}]: OPTIONS['CLUSTER'] is True or False, not {options['CLUSTER']!r}."
        )
    if options.get("SENTINELS") is not None:
        if is_cluster(alias):
            raise ImproperlyConfigured(f"CACHES[{alias!r}] has both SENTINELS and CLUSTER.")
        return _led(alias, made, entry, parse_url)
    if not is_cluster(alias):
        return made
    return of_cluster(alias, made, [address, *(_address(alias, url, parse_url) for url in others)])


def _led(
    alias: str, made: dict[str, Any], entry: dict[str, Any], parse_url: Callable[[str], Any]
) -> dict[str, Any]:
    try:
        return sentinels.led(made, entry, parse_url)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] with its SENTINELS and SENTINEL_KWARGS: {error}"
        ) from error


def _address(alias: str, url: str, parse_url: Callable[[str], Any]) -> dict[str, Any]:
    try:
        return dict(parse_url(url))
    except ValueError as error:
        told = str(error) if str(error).startswith(("Redis URL", "Invalid value for")) else ""
    raise ImproperlyConfigured(  # what urllib says may repeat a password
        f"The LOCATION of CACHES[{alias!r}] is no URL of a server. {told}".rstrip()
    )


def pool_options(alias: str) -> dict[str, Any]:
    """Return what a ``CACHES`` entry passes to its connection pool."""
    return dict(cache_entry(alias).get("OPTIONS", {}).get("CONNECTION_POOL_KWARGS", {}))


def cache_entry(alias: str) -> dict[str, Any]:
    """Return a ``CACHES`` entry that is django-redis's. Raises ImproperlyConfigured."""
    caches: Mapping[str, Any] = settings.CACHES
    entry: dict[str, Any] | None = caches.get(alias)
    if entry is None:
        raise ImproperlyConfigured(
            f"CACHES has no entry {alias!r} for sessions; add one, or name one in"
            ' REDIS_SESSIONS["ALIAS"].'
        )
    try:
        backend = import_string(entry.get("BACKEND", ""))
    except ImportError as error:
        raise ImproperlyConfigured(f"The BACKEND of CACHES[{alias!r}]: {error}") from error
    if not (isinstance(backend, type) and issubclass(backend, RedisCache)):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] is not a django-redis cache; sessions take their connection from"
            ' an entry with the BACKEND "django_redis.cache.RedisCache".'
        )
    return entry


def is_cluster(alias: str) -> bool:
    """Tell whether a ``CACHES`` entry says that its server is a Redis Cluster."""
    return bool(cache_entry(alias).get("OPTIONS", {}).get("CLUSTER"))


def locations(alias: str, entry: dict[str, Any]) -> list[str]:
    """Return the URLs of the entry. The first takes writes, by django-redis's rules."""
    location = entry.get("LOCATION") or ""
    found = location.split(",") if isinstance(location, str) else [*map(str, location)]
    if not found or not found[0]:
        raise ImproperlyConfigured(f"CACHES[{alias!r}] has no LOCATION.")
    return found


async def _watch(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop close our pools when it ends; forget the loops that were closed already."""
    for other in [other for other in list(_pools.loops) if other.is_closed()]:
        _pools.loops.pop(other, None)
        _pools.guards.pop(other, None)
    _pools.loops[loop] = {}
    guard = _closing(loop)
    _pools.guards[loop] = guard
    await anext(guard)


async def _closing(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
    """Wait to be closed: a loop does that to its async generators (``shutdown_asyncgens()``)."""
    try:
        yield
    finally:
        await _close_loop(loop)
        _pools.loops.pop(loop, None)
        _pools.guards.pop(loop, None)


async def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    open_pools = _pools.loops.get(loop, {})
    while open_pools:
        await open_pools.popitem()[1].aclose()


def _renew(*, setting: str, **_: Any) -> None:
    if setting == "CACHES":
        close()
        _pools.sync = {}
        _pools.patience = {}
        _pools.generation += 1


def _after_fork() -> None:
    _pools.lock = threading.Lock()  # another thread of the parent may have held it
    _pools.sync = {}  # the parent's sockets are not ours


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_renew, dispatch_uid="redis_sessions.connections")
