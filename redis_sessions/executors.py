"""Run commands on the server, sync and async: scripts by name, retries, errors. No key names.

Commands that are given together leave together and cost one round trip.
"""

import asyncio
import math
import random
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from django.utils.asyncio import async_unsafe
from redis import exceptions as errors

from . import breakers, connections
from .batches import has_error, meanings, packed, to_repeat, waits
from .breakers import troubled
from .clusters import AsyncCluster, SyncCluster
from .commands import Command, server
from .exceptions import NotReplicated, SessionStoreUnavailable
from .faults import LOST, UNCONFIRMED, Fault, LeftAlone, Unanswered, Unmapped, fault_of, text_of
from .pools import SyncPool, SyncWire
from .queries import Query
from .wires import SharedConnection

Words = tuple[Any, ...]

_CONFIRMED_WITHIN = 0.5  # seconds for replicas to confirm a write

_SYNC_IN_LOOP = (
    "You cannot read or write a session synchronously in an async context: use the asynchronous"
    " method of the same name with an 'a' in front, or load the session before."
)
_LATE = "Timeout: the server did not answer in time."


class _Call:
    """A call that met an error, or found the server in trouble: when to try again, and until when.

    What comes after its first exchange ends after the seconds of ``connections.Patience.call``.
    """

    base, cap = 0.02, 0.2  # seconds

    def __init__(self, alias: str, started: float) -> None:
        self.alias = alias
        self.started = started
        self.until = started + connections.patience(alias).call
        self.asks = False  # a server that is left alone
        self.failures = 0
        self.query: Query | None = None  # in a cluster, where each node has a breaker of its own

    def pause_after(self, error: errors.RedisError) -> float:
        """Return the seconds to wait before the next try. Raises SessionStoreUnavailable."""
        self.failures += 1
        fault = fault_of(error)
        window = fault.seconds if not self.asks or self.failures == 1 else 0.0
        was_old = fault is LOST or isinstance(error, Unanswered)  # a new connection may do
        is_new = self.failures == 1 and was_old
        if not fault.seconds or (time.monotonic() - self.started >= window and not is_new):
            message = (
                f"The session server of CACHES[{self.alias!r}] failed: {text_of(error)}."
                f" {fault.advice}"
            )
            self._blame(error, fault, message)
            raise SessionStoreUnavailable(message) from error
        if self.failures == 1:
            return 0.0  # an idle connection that died is no reason to wait
        pause = min(self.cap, self.base * 2 ** (self.failures - 1))
        return random.uniform(pause / 2, pause)  # noqa: S311

    def _blame(self, error: errors.RedisError, fault: Fault, message: str) -> None:
        """Count a failure of the server, of nodes, or of a cluster where no node answers."""
        nodes = {} if self.query is None else self.query.failed
        if self.query is None or isinstance(error, Unmapped):
            nodes = {name: nodes[name] for name in nodes if name in troubled}
            breakers.failed(self.alias, self.started, fault, message)
        else:
            if self.query.is_mapped:
                breakers.answered(self.alias)
            if not nodes and not isinstance(error, LeftAlone):
                breakers.tell(self.alias, fault, message)
        for name, reason in nodes.items():
            breakers.failed(name, self.started, fault_of(reason), message)

    def asking(self, commands: Sequence[Command[Any]]) -> Query:
        """Return what is asked of a cluster: at the second try, what has no reply yet."""
        if self.query is None:
            self.query = Query(commands, self.until)
        return self.query

    def send(self, pool: SyncPool, commands: Sequence[Command[Any]]) -> list[Any]:
        """Send commands to a node."""
        return _send(self.alias, pool, commands, self.started, self)

    async def asend(self, shared: SharedConnection, commands: Sequence[Command[Any]]) -> list[Any]:
        """See send()."""
        return await _asend(self.alias, shared, commands, self.started, self)


def _in_trouble(alias: str) -> _Call:
    """Return a call at a time when some server is in trouble. Raises SessionStoreUnavailable."""
    asks = breakers.admit(alias)
    call = _Call(alias, time.monotonic())
    call.asks = asks
    return call


def run(alias: str, *commands: Command[Any], replicas: int | None = None) -> list[Any]:
    """Send commands together and return what their replies mean.

    What they write, so many replicas have to confirm, if it is worth that (``Command.waits``).
    Raises SessionStoreUnavailable, and SynchronousOnlyOperation where an event loop is running.
    """
    if asyncio._get_running_loop() is not None:
        _refuse()
    started, call = time.monotonic(), None
    if troubled:
        call = _in_trouble(alias)
    while True:
        try:
            pool = connections.pool(alias)
            if isinstance(pool, SyncCluster):
                call = call or _Call(alias, started)
                return _told(commands, pool.send(call.asking(commands), call.send), call)
            return _do(alias, pool, commands, replicas, started, call)
        except errors.RedisError as error:
            call = call or _Call(alias, started)
            pause = call.pause_after(error)
        time.sleep(pause)


async def arun(alias: str, *commands: Command[Any], replicas: int | None = None) -> list[Any]:
    """See run()."""
    started, call = time.monotonic(), None
    if troubled:
        call = _in_trouble(alias)
    while True:
        try:
            shared = await connections.shared(alias)
            if isinstance(shared, AsyncCluster):
                call = call or _Call(alias, started)
                return _told(commands, await shared.send(call.asking(commands), call.asend), call)
            return await _ado(alias, shared, commands, replicas, started, call)
        except errors.RedisError as error:
            call = call or _Call(alias, started)
            pause = call.pause_after(error)
        await asyncio.sleep(pause)


@async_unsafe(_SYNC_IN_LOOP)
def _refuse() -> None:
    """Raise SynchronousOnlyOperation, unless DJANGO_ALLOW_ASYNC_UNSAFE is set."""


def _do(
    alias: str,
    pool: SyncPool,
    commands: Sequence[Command[Any]],
    replicas: int | None,
    started: float,
    call: _Call | None,
) -> list[Any]:
    if replicas and waits(commands):
        sent = [*commands, *_confirmation(alias, commands, replicas, call)]
        replies = _send(alias, pool, sent, started, call)
        return _confirmed(alias, sent, replies, started, call)[: len(commands)]
    return _told(commands, _send(alias, pool, commands, started, call), call)


async def _ado(
    alias: str,
    shared: SharedConnection,
    commands: Sequence[Command[Any]],
    replicas: int | None,
    started: float,
    call: _Call | None,
) -> list[Any]:
    if replicas and waits(commands):
        sent = [*commands, *_confirmation(alias, commands, replicas, call)]
        until = math.inf if call is None else call.until
        async with (await connections.lanes(alias)).lane(until) as lane:
            replies = await _asend(alias, lane, sent, started, call)
        return _confirmed(alias, sent, replies, started, call)[: len(commands)]
    return _told(commands, await _asend(alias, shared, commands, started, call), call)


def _confirmation(
    alias: str, commands: Sequence[Command[Any]], replicas: int, call: _Call | None
) -> list[Command[None]]:
    """Return what has the server wait for replicas; the reply is to come before we give up.

    A server waits for what the connection has written itself. What is tried again may have been
    written before, on a connection that was lost.
    """
    seconds = min(_CONFIRMED_WITHIN, connections.patience(alias).reply / 2)
    wait = server.replicated(replicas, math.ceil(1000 * seconds))
    if call is None or not call.failures:
        return [wait]
    return [server.trace(next(command for command in commands if command.waits)), wait]


def _confirmed(
    alias: str,
    commands: Sequence[Command[Any]],
    replies: list[Any],
    started: float,
    call: _Call | None,
) -> list[Any]:
    """Return what the replies mean; the last says whether replicas have it all."""
    try:
        return _told(commands, replies, call)
    except NotReplicated as error:
        message = f"CACHES[{alias!r}]: {error} {UNCONFIRMED.advice}"
        breakers.failed(alias, started, UNCONFIRMED, message)
        raise


def _send(
    alias: str,
    pool: SyncPool,
    commands: Sequence[Command[Any]],
    started: float,
    call: _Call | None,
) -> list[Any]:
    wire = pool.take(math.inf if call is None else call.until)
    try:
        if call is not None:
            wire.until = call.until
        replies = wire.exchange(packed([command.words for command in commands]), len(commands))
        if has_error(replies) and (again := to_repeat(commands, replies)):
            wire.until = started + connections.patience(alias).call
            repeated = wire.exchange(packed(again), len(again))
            has_error(repeated)
            replies[-len(again) :] = repeated
        return replies
    except BaseException as error:
        _close(pool, wire, error)
        raise
    finally:
        wire.until = math.inf
        pool.release(wire)


def _close(pool: SyncPool, wire: SyncWire, error: BaseException) -> None:
    """Close a connection that failed, and where the server is lost, those that are free.

    They are likely to be dead too: the retry is to meet none.
    """
    wire.disconnect()
    if isinstance(error, errors.RedisError) and fault_of(error).breaks:
        pool.disconnect()


async def _asend(
    alias: str,
    shared: SharedConnection,
    commands: Sequence[Command[Any]],
    started: float,
    call: _Call | None,
) -> list[Any]:
    sent = packed([command.words for command in commands])
    if call is None:
        replies = await shared.exchange(sent, len(commands))
    else:
        replies = await _in_time(shared, shared.exchange(sent, len(commands)), call.until)
    try:
        if has_error(replies) and (again := to_repeat(commands, replies)):
            until = started + connections.patience(alias).call
            repeated = await _in_time(shared, shared.exchange(packed(again), len(again)), until)
            has_error(repeated)
            replies[-len(again) :] = repeated
    except errors.RedisError:
        shared.retire()
        raise
    return replies


async def _in_time(
    shared: SharedConnection, exchange: Coroutine[Any, Any, list[Any]], until: float
) -> list[Any]:
    """Wait for an exchange, but not longer than until then. Raises redis.TimeoutError."""
    try:
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            return await exchange
    except TimeoutError:
        shared.retire()  # who comes next is not to wait behind what is late
        raise errors.TimeoutError(_LATE) from None


def _told(commands: Sequence[Command[Any]], replies: list[Any], call: _Call | None) -> list[Any]:
    """Return what the replies mean; whatever that is, the server has answered."""
    if call is not None:
        breakers.answered(call.alias)
    return meanings(commands, replies)
