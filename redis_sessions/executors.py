"""Run commands on the server, sync and async: scripts by name, retries, errors. No key names.

Commands that are given together leave together and cost one round trip.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import hiredis
from django.utils.asyncio import async_unsafe
from redis import exceptions as errors

from . import connections
from .commands import Command
from .exceptions import SessionStoreUnavailable
from .pools import SyncPool, SyncWire
from .wires import SharedConnection

Words = tuple[Any, ...]

_REFUSED = (errors.AuthenticationError, errors.AuthorizationError)
_LOST = (errors.ConnectionError, errors.TimeoutError)
_PASSING = (*_LOST, errors.ReadOnlyError, errors.ClusterDownError, errors.TryAgainError)

_SYNC_IN_LOOP = (
    "You cannot read or write a session synchronously in an async context: use the asynchronous"
    " method of the same name with an 'a' in front, or load the session before."
)


class _Retries:
    """When to try again: passing errors, twice, and not once 0.9 s are gone.

    With the default timeouts (1 s to connect, 1 s to read) a call ends within 3 s whatever happens.
    """

    times = 2
    seconds = 0.9
    base, cap = 0.02, 0.2

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.started = time.monotonic()
        self.failures = 0

    def pause_after(self, error: errors.RedisError) -> float:
        """Return the seconds to wait before the next try. Raises SessionStoreUnavailable."""
        self.failures += 1
        passing = isinstance(error, _PASSING) and not isinstance(error, _REFUSED)
        late = time.monotonic() - self.started > self.seconds
        if not passing or late or self.failures > self.times:
            raise SessionStoreUnavailable(
                f"The session server of CACHES[{self.alias!r}] failed: {error}"
                " Check that it runs, takes writes, and that the entry's LOCATION and credentials"
                " are right."
            ) from error
        if self.failures == 1:
            return 0.0  # an idle connection that died is no reason to wait
        return random.uniform(0, min(self.cap, self.base * 2**self.failures))  # noqa: S311


def run(alias: str, *commands: Command[Any]) -> list[Any]:
    """Send commands together and return what their replies mean.

    Raises SessionStoreUnavailable, and SynchronousOnlyOperation where an event loop is running.
    """
    if asyncio._get_running_loop() is not None:
        _refuse()
    retries = _Retries(alias)
    while True:
        try:
            return _meanings(commands, _send(connections.pool(alias), commands))
        except errors.RedisError as error:
            pause = retries.pause_after(error)
        time.sleep(pause)


async def arun(alias: str, *commands: Command[Any]) -> list[Any]:
    """See run()."""
    retries = _Retries(alias)
    while True:
        try:
            return _meanings(commands, await _asend(await connections.shared(alias), commands))
        except errors.RedisError as error:
            pause = retries.pause_after(error)
        await asyncio.sleep(pause)


@async_unsafe(_SYNC_IN_LOOP)
def _refuse() -> None:
    """Raise SynchronousOnlyOperation, unless DJANGO_ALLOW_ASYNC_UNSAFE is set."""


def _send(pool: SyncPool, commands: Sequence[Command[Any]]) -> list[Any]:
    connection = pool.take()
    try:
        replies = _exchange(connection, [_words(command) for command in commands])
        unknown = _unknown_scripts(commands, replies)
        if unknown:
            again = _exchange(connection, list(unknown.values()))
            replies = _merged(replies, unknown, again)
        return replies
    except BaseException as error:
        connection.disconnect()
        if isinstance(error, _LOST):
            pool.disconnect()  # the others are likely to be dead too: the retry is to meet none
        raise
    finally:
        pool.release(connection)


async def _asend(shared: SharedConnection, commands: Sequence[Command[Any]]) -> list[Any]:
    replies = await _aexchange(shared, [_words(command) for command in commands])
    unknown = _unknown_scripts(commands, replies)
    if unknown:
        again = await _aexchange(shared, list(unknown.values()))
        replies = _merged(replies, unknown, again)
    return replies


def _exchange(wire: SyncWire, batch: list[Words]) -> list[Any]:
    return _usable(wire.exchange(_packed(batch), len(batch)))


async def _aexchange(shared: SharedConnection, batch: list[Words]) -> list[Any]:
    replies = await shared.exchange(_packed(batch), len(batch))
    try:
        return _usable(replies)
    except errors.RedisError:
        shared.retire()
        raise


def _packed(batch: list[Words]) -> bytes:
    """Return the bytes of commands that leave together."""
    return b"".join([hiredis.pack_command(words) for words in batch])


def _usable(replies: list[Any]) -> list[Any]:
    """Return replies, unless one says that this server will not do: then connect anew."""
    for reply in replies:
        if isinstance(reply, _PASSING):
            raise reply
    return replies


def _words(command: Command[Any]) -> Words:
    if command.script is None:
        return command.words
    return ("EVALSHA", command.script.sha, *command.words)


def _unknown_scripts(commands: Sequence[Command[Any]], replies: list[Any]) -> dict[int, Words]:
    """Return what to send again, with the script's text, to a server that has not seen it yet."""
    return {
        position: ("EVAL", command.script.text, *command.words)
        for position, command in enumerate(commands)
        if command.script and isinstance(replies[position], errors.NoScriptError)
    }


def _merged(replies: list[Any], unknown: dict[int, Words], again: list[Any]) -> list[Any]:
    newer = dict(zip(unknown, again, strict=True))
    return [newer.get(position, reply) for position, reply in enumerate(replies)]


def _meanings(commands: Sequence[Command[Any]], replies: list[Any]) -> list[Any]:
    return [_meaning(command, reply) for command, reply in zip(commands, replies, strict=True)]


def _meaning(command: Command[Any], reply: Any) -> Any:
    if not isinstance(reply, errors.ResponseError):
        return command.parse(reply)
    if "WRONGTYPE" in str(reply):
        return command.wrong_type()
    raise reply
