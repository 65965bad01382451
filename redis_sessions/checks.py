"""System checks: wrong settings with a hint what to do, and with ``--deploy`` the server itself."""

from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module, metadata
from inspect import signature
from ipaddress import ip_network
from typing import Any, get_type_hints

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.asyncio.connection import parse_url as aparse_url
from redis.connection import AbstractConnection, parse_url

from . import connections, executors, sealing
from .commands import server
from .conf import CHOICES, SETTING, SMALLEST, Config, config
from .devices import UNIX
from .exceptions import SessionStoreUnavailable
from .live.codes import CloseCode
from .session import SessionStore

_OURS = {
    "django.contrib.sessions.middleware.SessionMiddleware": (
        "W002",
        "redis_sessions.middleware.SessionMiddleware",
        "sessions that hold nothing keep records and cookies, and ASGI requests hop to a thread",
    ),
    "django.contrib.auth.middleware.AuthenticationMiddleware": (
        "W003",
        "redis_sessions.middleware.AuthenticationMiddleware",
        "ASGI requests hop to a thread",
    ),
}


_DEFAULT_SOCKET_TIMEOUT = signature(AbstractConnection).parameters["socket_timeout"].default


@register(Tags.compatibility)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check ``REDIS_SESSIONS`` and the entry of CACHES that it names."""
    found = [*_wrong_settings()]
    if not found:
        found += _wrong_connection()
    return found


@register(Tags.compatibility)
def check_site(**_: Any) -> list[CheckMessage]:
    """Check what stands around the engine: middleware, other packages, channel layers."""
    return [
        *_wrong_engine(), *_stock_middleware(), *_predecessor(), *_hasty_layers(), *_no_library()
    ]  # fmt: skip


@register(Tags.compatibility, deploy=True)
def check_server(**_: Any) -> list[CheckMessage]:
    """Ask the server whether it answers, may evict sessions, and is what the settings say."""
    try:
        alias = config().alias
        policy, standing = executors.run(alias, server.eviction_policy(), server.standing())
        is_cluster = connections.is_cluster(alias)
    except ImproperlyConfigured:
        return []  # check_settings() tells
    except SessionStoreUnavailable as error:
        hint = "Without it, every request that uses its session is answered with a 503."
        return [checks.Warning(str(error), hint=hint, id=_id("W008"))]
    return [*_evicting(policy), *([] if is_cluster else _misplaced(standing))]


def _evicting(policy: str | None) -> Iterator[CheckMessage]:
    if policy not in {None, "noeviction"}:
        message = f"The session server's maxmemory-policy is {policy}: it may evict sessions."
        hint = "Set maxmemory-policy to noeviction, or give sessions a server of their own."
        yield checks.Warning(message, hint=hint, id=_id("W009"))


def _misplaced(found: server.Standing) -> Iterator[CheckMessage]:
    """Find what a single server, or the sentinels' master, cannot serve as."""
    wanted = config().WAIT_REPLICAS
    if found.mode == "cluster":
        message = "The session server is a node of a cluster, and is named as a single server."
        hint = f"Set OPTIONS['CLUSTER'] to True in CACHES[{config().alias!r}]."
        yield checks.Warning(message, hint=hint, id=_id("W010"))
    if found.role == "slave":
        message = "The session server is a replica, which takes no writes of sessions."
        hint = f"Name its master in CACHES[{config().alias!r}]."
        yield checks.Warning(message, hint=hint, id=_id("W011"))
    elif found.replicas is not None and isinstance(wanted, int) and found.replicas < wanted:
        message = (
            f"{SETTING}['WAIT_REPLICAS'] is {wanted}, and the session server has {found.replicas}"
            " replicas: every save fails."
        )
        hint = "Look at INFO replication, or lower WAIT_REPLICAS."
        yield checks.Warning(message, hint=hint, id=_id("W012"))


def _no_library() -> Iterator[CheckMessage]:
    """Find a site that wants its sessions sealed, and lacks what that needs."""
    given = getattr(settings, SETTING, {})
    if isinstance(given, dict) and given.get("ENCRYPT") is True:
        try:
            sealing.library()
        except ImproperlyConfigured as error:
            hint = f"Or leave {SETTING}['ENCRYPT'] out: values are signed then."
            yield Error(str(error), hint=hint, id=_id("E005"))


def _id(number: str) -> str:
    return f"redis_sessions.{number}"


def _wrong_settings() -> Iterator[CheckMessage]:
    given = getattr(settings, SETTING, {})
    if not isinstance(given, dict):
        yield Error(f"{SETTING} must be a dict.", id=_id("E002"))
        return
    types = get_type_hints(Config)
    known = {field.name for field in fields(Config)}
    for name, value in given.items():
        if name not in known:
            hint = f"The settings are {', '.join(sorted(known))}."
            yield Error(f"{SETTING} has no setting {name!r}.", hint=hint, id=_id("E002"))
        elif fault := _fault(name, value, types[name]):
            yield Error(f"{SETTING}[{name!r}] {fault}.", id=_id("E003"))


def _fault(name: str, value: Any, wanted: Any) -> str | None:
    """Return what is wrong with a setting's value."""
    if name in _COLLECTIONS:
        return _COLLECTIONS[name](value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        return f"must be of the type {getattr(wanted, '__name__', wanted)}, not {value!r}"
    if value not in CHOICES.get(name, [value]):
        return f"must be one of {', '.join(map(repr, CHOICES[name]))}, not {value!r}"
    if type(value) is int and value < (least := SMALLEST.get(name, 1)):
        return f"must be {least} or more, not {value}"
    return _wrong_text(name, value) if isinstance(value, str) else None


def _wrong_text(name: str, value: str) -> str | None:
    if name == "KEY_PREFIX" and set(value) & set("{}"):
        return "must not contain braces: they mark the part of a key that chooses its cluster slot"
    if name in {"OBSOLETE", "MAX_SESSIONS_PER_USER"}:
        return _not_callable(value)
    return None


def _wrong_codes(value: Any) -> str | None:
    """Return what is wrong with CLOSE_CODES."""
    if not isinstance(value, dict):
        return f"must be a dict of names and numbers, not {value!r}"
    unknown = sorted(set(value) - set(CloseCode.__members__))
    if unknown:
        return f"has no code named {', '.join(map(str, unknown))}"
    if not all(code in range(4000, 5000) for code in value.values()):
        return "must give numbers from 4000 to 4999, which are an application's"
    return None


def _wrong_networks(value: Any) -> str | None:
    """Return what is wrong with TRUSTED_PROXIES."""
    if not isinstance(value, list | tuple):
        return f"must be a list of addresses and networks, not {value!r}"
    for text in value:
        try:
            if text != UNIX:
                ip_network(text)
        except ValueError as error:
            return f"names no network: {error}"
    return None


def _not_callable(path: str) -> str | None:
    try:
        found = import_string(path)
    except ImportError as error:
        return f"cannot be imported: {error}"
    return None if callable(found) else f"names {path}, which cannot be called"


_COLLECTIONS = {"CLOSE_CODES": _wrong_codes, "TRUSTED_PROXIES": _wrong_networks}


def _wrong_connection() -> Iterator[CheckMessage]:
    alias = config().alias
    try:
        connections.parameters(alias, parse_url)
        connections.parameters(alias, aparse_url)
    except ImproperlyConfigured as error:
        hint = (
            "See the documentation: the settings page for an entry that works, the deployment page"
            " for SENTINELS and CLUSTER."
        )
        yield Error(str(error), hint=hint, id=_id("E001"))
        return
    if config().WAIT_REPLICAS and connections.is_cluster(alias):
        message = f"{SETTING}['WAIT_REPLICAS'] has no effect in a cluster (CACHES[{alias!r}])."
        hint = "Leave it out, or use Sentinel."
        yield Error(message, hint=hint, id=_id("E003"))
    if connections.pool_options(alias).get("decode_responses"):
        message = f"CACHES[{alias!r}] sets decode_responses, which sessions do not use."
        hint = "Sessions are stored as bytes; give them an entry of their own in CACHES."
        yield checks.Warning(message, hint=hint, id=_id("W004"))


def _wrong_engine() -> Iterator[CheckMessage]:
    engine = import_module(settings.SESSION_ENGINE)
    if not issubclass(engine.SessionStore, SessionStore):
        message = f"redis_sessions is installed, but SESSION_ENGINE is {settings.SESSION_ENGINE!r}."
        yield checks.Warning(message, hint='Set it to "redis_sessions.session".', id=_id("W001"))


def _stock_middleware() -> Iterator[CheckMessage]:
    for path in settings.MIDDLEWARE:
        if path in _OURS:
            number, ours, reason = _OURS[path]
            yield checks.Warning(
                f"With {path}, {reason}.", hint=f"Put {ours} there.", id=_id(number)
            )


def _predecessor() -> Iterator[CheckMessage]:
    """Find django-redis-sessions, which has the same import package, and what was set for it."""
    try:
        metadata.distribution("django-redis-sessions")
    except metadata.PackageNotFoundError:
        pass
    else:
        message = (
            "django-redis-sessions is installed: it has the import package redis_sessions too."
        )
        hint = "Uninstall both, then install django-redis-live-sessions again."
        yield Error(message, hint=hint, id=_id("E004"))
    names = sorted(name for name in dir(settings) if name.startswith("SESSION_REDIS"))
    if names:
        message = f"{', '.join(names)}: settings of django-redis-sessions, which are not used."
        hint = "Name the server in CACHES, and the prefix in REDIS_SESSIONS."
        yield checks.Warning(message, hint=hint, id=_id("W005"))


def _hasty_layers() -> Iterator[CheckMessage]:
    """Find channel layers that block for as long as their sockets wait: a tie closes WebSockets."""
    for alias, layer in getattr(settings, "CHANNEL_LAYERS", {}).items():
        block = _blocking_seconds(layer["BACKEND"])
        hosts = layer.get("CONFIG", {}).get("hosts") or [{}]
        if block is not None and any(_socket_timeout(host) <= block for host in hosts):
            message = (
                f"CHANNEL_LAYERS[{alias!r}] waits {block} s for a message, and its sockets no"
                " longer: a timeout there closes an idle WebSocket."
            )
            hint = 'Name its hosts as {"address": "redis://…", "socket_timeout": 15}.'
            yield checks.Warning(message, hint=hint, id=_id("W006"))


def _blocking_seconds(path: str) -> float | None:
    try:
        return getattr(import_string(path), "brpop_timeout", None)
    except ImportError:
        return None  # Channels tells


def _socket_timeout(host: Any) -> float:
    """Return the socket timeout of a channel layer's host, as redis-py will take it."""
    options: dict[str, Any] = host if isinstance(host, dict) else {}
    address = host if isinstance(host, str) else options.get("address")
    if address is not None:
        options = {**options, **aparse_url(address)}
    timeout: float | None = options.get("socket_timeout", _DEFAULT_SOCKET_TIMEOUT)
    return float("inf") if timeout is None else timeout
