"""Connections to the present master of a service that Redis Sentinel watches over.

The sentinels are asked whenever a connection is opened, so what was lost in a failover is opened to
the new master. They are asked again while it is used: for some seconds after a failover on command
the old master takes writes, all of which will be lost. Who was found has to say itself that it is a
master, since a sentinel may not have heard of the failover yet.
"""

import contextlib
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import redis.asyncio.connection
import redis.asyncio.retry
import redis.connection
import redis.retry
from redis import exceptions as errors
from redis.backoff import NoBackoff

from .faults import Unled, listed

# Where SENTINEL_KWARGS says nothing. One that is dead is to hold nobody up for long.
DEFAULTS = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2, "protocol": 2}
ENOUGH = 0.5  # seconds, after which no further one is asked; whoever asks next begins with that
ASK_EVERY = 1.0  # seconds
ASK_AFTER_SILENCE = 10.0  # where none of them answers, but the master may well

_OURS = {"decode_responses", "host", "port", "retry", "retry_on_error", "retry_on_timeout"}

_LIST = "SENTINELS has to be a list of (host, port), of one sentinel or more."

Address = tuple[str, int]
_Told = dict[Address, errors.RedisError | str]


class Service:
    """A service by its name, and the sentinels to ask for its master."""

    def __init__(self, name: str, sentinels: list[Address], options: dict[str, Any]) -> None:
        self.name = name
        self._sentinels = sentinels
        self._options = DEFAULTS | {key: options[key] for key in options if key not in _OURS}
        self._due = 0.0
        self._master: Address | None = None
        self._client(redis.Redis, redis.retry.Retry, ("", 0))  # TypeError where an option is wrong

    def master(self) -> Address:
        """Ask for host and port, one sentinel after the other. Raises redis.RedisError."""
        told = _Told()
        for address in self._in_time():
            with self._client(redis.Redis, redis.retry.Retry, address) as sentinel:
                try:
                    found = sentinel.sentinel_get_master_addr_by_name(self.name)
                except errors.RedisError as error:
                    found = error
            if (master := self._heard(told, address, found)) is not None:
                return master
        raise self._unknown(told)

    async def amaster(self) -> Address:
        """See master()."""
        told = _Told()
        for address in self._in_time():
            client = self._client(redis.asyncio.Redis, redis.asyncio.retry.Retry, address)
            async with client as sentinel:
                try:
                    found = await sentinel.sentinel_get_master_addr_by_name(self.name)
                except errors.RedisError as error:
                    found = error
            if (master := self._heard(told, address, found)) is not None:
                return master
        raise self._unknown(told)

    def has_left(self, connection: Any) -> bool:
        """Tell whether the master is another by now than that to which a connection leads."""
        if monotonic() > self._due:
            with contextlib.suppress(errors.RedisError):
                self.master()
        return (connection.host, connection.port) != self._master

    async def ahas_left(self, connection: Any) -> bool:
        """See has_left()."""
        if monotonic() > self._due:
            with contextlib.suppress(errors.RedisError):
                await self.amaster()
        return (connection.host, connection.port) != self._master

    def _in_time(self) -> Iterator[Address]:
        """Name the sentinels to ask, until enough time is gone."""
        started = monotonic()
        self._due = started + ASK_EVERY
        for address in self._sentinels:
            if monotonic() - started < ENOUGH:
                yield address

    def _heard(
        self, told: _Told, sentinel: Address, found: Address | errors.RedisError | None
    ) -> Address | None:
        """Take in what a sentinel says; return the master, or note why it was of no use."""
        if isinstance(found, errors.RedisError):  # silent, or it refuses: ask it last from now on
            self._sentinels = [*(one for one in self._sentinels if one != sentinel), sentinel]
            told[sentinel] = found
        elif found is None:
            told[sentinel] = "it knows none"
        else:
            self._master = found
            return found
        return None

    def insist(self, role: Any) -> None:
        """Raise redis.ConnectionError, unless what a server says of its role makes it a master."""
        if role[0] not in {b"master", "master"}:
            self._sentinels = self._sentinels[1:] + self._sentinels[:1]  # ask another one first
            raise Unled(f"The server that the sentinels name for {self.name!r} is not a master.")

    def _client(self, client: Any, retry: Any, address: Address) -> Any:
        host, port = address
        ours = {"decode_responses": True, "retry": retry(NoBackoff(), 0)}
        return client(host=host, port=port, **self._options, **ours)

    def _unknown(self, told: _Told) -> Unled:
        self._due = monotonic() + ASK_AFTER_SILENCE
        return Unled(f"No sentinel names a master of {self.name!r} ({listed(told)})")


class _Led(redis.connection.Connection):
    """A connection to the master of ``service``."""

    def __init__(self, *, service: Service, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self._service = service

    def has_left(self) -> bool:
        """Tell whether the sentinels name another master by now."""
        return self._service.has_left(self)

    def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        self.host, self.port = self._service.master()
        super().connect_check_health(check_health, retry_socket_connect)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        self.send_command("ROLE", check_health=False)  # type: ignore[no-untyped-call]
        self._service.insist(self.read_response())


class _LedTLS(_Led, redis.connection.SSLConnection):
    """See _Led."""


class _AsyncLed(redis.asyncio.connection.Connection):
    """See _Led."""

    def __init__(self, *, service: Service, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._service = service

    async def has_left(self) -> bool:
        """See _Led."""
        return await self._service.ahas_left(self)

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        self.host, self.port = await self._service.amaster()
        await super().connect_check_health(check_health, retry_socket_connect)

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self.send_command("ROLE", check_health=False)
        self._service.insist(await self.read_response())


class _AsyncLedTLS(_AsyncLed, redis.asyncio.connection.SSLConnection):
    """See _Led."""


_CLASSES: dict[Callable[..., Any], tuple[type, type]] = {
    redis.connection.parse_url: (_Led, _LedTLS),
    redis.asyncio.connection.parse_url: (_AsyncLed, _AsyncLedTLS),
}
# The address is the sentinels' answer. The others are django-redis's options for its own pool.
_REPLACED = {"host", "port", "is_master", "check_connection", "ssl", "connection_class"}


def led(
    parameters: dict[str, Any], entry: dict[str, Any], parse_url: Callable[[str], Any]
) -> dict[str, Any]:
    """Return a pool's keyword arguments for the master of the service that the LOCATION names.

    ``parse_url`` tells the half. Raises TypeError, ValueError.
    """
    options, name = entry["OPTIONS"], parameters.get("host")
    if not name:
        raise ValueError("the LOCATION has to name a service, as in redis://mymaster/0.")
    try:
        sentinels = [(host, int(port)) for host, port in options["SENTINELS"]]
    except (TypeError, ValueError) as error:
        raise ValueError(_LIST) from error
    if not sentinels:
        raise ValueError(_LIST)
    service = Service(name, sentinels, options.get("SENTINEL_KWARGS") or {})
    kept = {key: value for key, value in parameters.items() if key not in _REPLACED}
    plain, tls = _CLASSES[parse_url]
    encrypted = parameters.get("ssl") or "connection_class" in parameters
    return kept | {"connection_class": tls if encrypted else plain, "service": service}
