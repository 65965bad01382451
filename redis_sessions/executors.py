"""Run commands on the server, sync and async: scripts by name, retries, errors. No key names.

Commands that are given together leave together and cost one round trip.
"""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import hiredis
from django.utils.asyncio import async_unsafe
from redis import exceptions as errors

from . import connections
from .commands import Command, server
from .exceptions import SessionStoreUnavailable
from .pools import SyncPool
from .wires import SharedConnection

Words = tuple[Any, ...]

_REFUSED = (errors.AuthenticationError, errors.AuthorizationError)
_LOST = (errors.ConnectionError, errors.TimeoutError)
_PASSING = (*_LOST, errors.ReadOnlyError, errors.ClusterDownError, errors.TryAgainError)

_TOO_FEW = "NOREPLICAS"  # fewer than the server's min-replicas-to-write
_CONFIRMED_WITHIN = 0.5  # seconds for replicas to confirm a write

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

    def __init__(self, alias: str, started: float) -> None:
        self.alias = alias
        self.started = started
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


def run(alias: str, *commands: Command[Any], replicas: int | None = None) -> list[Any]:
    """Send commands together and return what their replies mean.

    What they write, so many replicas have to confirm, if it is worth that (``Command.waits``).
    Raises SessionStoreUnavailable, and SynchronousOnlyOperation where an event loop is running.
    """
    if asyncio._get_running_loop() is not None:
        _refuse()
    started, retries = time.monotonic(), None
    while True:
        try:
            return _do(alias, commands, replicas)
        except errors.RedisError as error:
            retries = retries or _Retries(alias, started)
            pause = retries.pause_after(error)
        time.sleep(pause)


async def arun(alias: str, *commands: Command[Any], replicas: int | None = None) -> list[Any]:
    """See run()."""
    started, retries = time.monotonic(), None
    while True:
        try:
            return await _ado(alias, commands, replicas)
        except errors.RedisError as error:
            retries = retries or _Retries(alias, started)
            pause = retries.pause_after(error)
        await asyncio.sleep(pause)


@async_unsafe(_SYNC_IN_LOOP)
def _refuse() -> None:
    """Raise SynchronousOnlyOperation, unless DJANGO_ALLOW_ASYNC_UNSAFE is set."""


def _do(alias: str, commands: Sequence[Command[Any]], replicas: int | None) -> list[Any]:
    pool = connections.pool(alias)
    if replicas and _waits(commands):
        commands = [*commands, _confirmation(replicas, pool)]
        return _meanings(commands, _send(pool, commands))[:-1]
    return _meanings(commands, _send(pool, commands))


async def _ado(alias: str, commands: Sequence[Command[Any]], replicas: int | None) -> list[Any]:
    if replicas and _waits(commands):
        async with (await connections.lanes(alias)).lane() as lane:
            commands = [*commands, _confirmation(replicas, lane)]
            return _meanings(commands, await _asend(lane, commands))[:-1]
    return _meanings(commands, await _asend(await connections.shared(alias), commands))


def _waits(commands: Sequence[Command[Any]]) -> bool:
    return any(command.waits for command in commands)


def _confirmation(replicas: int, connection: SyncPool | SharedConnection) -> Command[None]:
    """Return what has the server wait for replicas; the reply is to come before we give up."""
    timeout = connection.connection_kwargs.get("socket_timeout") or math.inf
    return server.replicated(replicas, math.ceil(1000 * min(_CONFIRMED_WITHIN, timeout / 2)))


def _send(pool: SyncPool, commands: Sequence[Command[Any]]) -> list[Any]:
    wire = pool.take()
    try:
        replies = wire.exchange(_packed([command.words for command in commands]), len(commands))
        if _has_error(replies) and (again := _to_repeat(commands, replies)):
            repeated = wire.exchange(_packed(again), len(again))
            _has_error(repeated)
            replies[-len(again) :] = repeated
        return replies
    except BaseException as error:
        wire.disconnect()
        if isinstance(error, (*_LOST, errors.ReadOnlyError)):
            pool.disconnect()  # the others are likely to be dead too: the retry is to meet none
        raise
    finally:
        pool.release(wire)


async def _asend(shared: SharedConnection, commands: Sequence[Command[Any]]) -> list[Any]:
    packed = _packed([command.words for command in commands])
    replies = await shared.exchange(packed, len(commands))
    try:
        if _has_error(replies) and (again := _to_repeat(commands, replies)):
            repeated = await shared.exchange(_packed(again), len(again))
            _has_error(repeated)
            replies[-len(again) :] = repeated
    except errors.RedisError:
        shared.retire()
        raise
    return replies


def _packed(batch: Sequence[Words]) -> bytes:
    """Return the bytes of commands that leave together."""
    return b"".join([hiredis.pack_command(words) for words in batch])


def _has_error(replies: list[Any]) -> bool:
    """Tell whether a reply is an error. Raises it where this server will not do: connect anew."""
    for reply in replies:
        if isinstance(reply, errors.RedisError):
            break
    else:
        return False
    for reply in replies:
        if isinstance(reply, _PASSING):
            raise reply
        if isinstance(reply, errors.ResponseError) and _TOO_FEW in str(reply):
            raise errors.ReadOnlyError(str(reply))  # no master any more, or one that was cut off
    return True


def _to_repeat(commands: Sequence[Command[Any]], replies: list[Any]) -> list[Words]:
    """Return what to send again to a server that has not seen a script yet, with the texts.

    That script and all that came behind it: what it does is to be done before, and what was done
    already may be done twice.
    """
    unknown = (isinstance(reply, errors.NoScriptError) for reply in replies)
    first = next((position for position, found in enumerate(unknown) if found), len(replies))
    return [
        ("EVAL", command.script.text, *command.words[2:]) if command.script else command.words
        for command in commands[first:]
    ]


def _meanings(commands: Sequence[Command[Any]], replies: list[Any]) -> list[Any]:
    return [
        _meaning_of_error(command, reply)
        if isinstance(reply, errors.ResponseError)
        else command.parse(reply)
        for command, reply in zip(commands, replies, strict=True)
    ]


def _meaning_of_error(command: Command[Any], reply: errors.ResponseError) -> Any:
    if "WRONGTYPE" in str(reply):
        return command.wrong_type()
    raise reply
