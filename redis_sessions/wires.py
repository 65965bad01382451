"""One connection for all tasks of an event loop. Redis answers in order: each reply finds its task.

redis-py connects: TLS, credentials, database. What it has opened is taken over from there: commands
of one turn of the loop leave in one write, and each reply goes to who has sent its command, or is
dropped where that task was cancelled. No names of commands.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import hiredis
import redis.asyncio
from hiredis import PushNotification
from redis import exceptions as errors
from redis.asyncio.connection import AbstractConnection

from .faults import Unanswered

_LOST = "The server closed the connection."
_GRACE = 0.01  # seconds
_LATE = "Timeout: the server did not answer in time."
_CLOSED = "The connection was closed."
_UNASKED = "The server sent a reply that nobody asked for."


class _Call:
    """Commands that a task has sent together, and the replies that have come."""

    __slots__ = ("deadline", "future", "number", "replies")

    def __init__(self, future: asyncio.Future[list[Any]], number: int, deadline: float) -> None:
        self.future = future
        self.number = number
        self.deadline = deadline
        self.replies: list[Any] = []


class Wire(asyncio.Protocol):
    """A connection that redis-py has opened, and the calls that wait for replies on it.

    ``timeout`` is how many seconds the server has for each reply; None: as many as it likes. While
    anything comes, it has as many again: others wait behind what is huge. When a reply is late, or
    the connection is lost, every call that waits gets the error, and no more can be made.
    """

    def __init__(self, connection: AbstractConnection, timeout: float | None) -> None:
        self.error: errors.RedisError | None = None  # why it is of no use any more
        self.flows = asyncio.Event()  # not while the server does not read
        self.flows.set()
        self.used = self._heard = monotonic()
        self._connection = connection  # keeps what belongs to it alive
        self.has_left: Any = getattr(connection, "has_left", None)  # with Sentinel
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._calls: deque[_Call] = deque()
        self._outbox: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()
        self._is_retired = False
        parse_error = connection._parser.parse_error
        self._reader = hiredis.Reader(protocolError=errors.InvalidResponse, replyError=parse_error)
        writer: Any = connection._writer
        self._transport: asyncio.Transport = writer.transport
        self._transport.set_protocol(self)

    def send(self, packed: bytes, number: int) -> asyncio.Future[list[Any]]:
        """Send ``number`` commands; what is returned gets the replies, or the error.

        Raises redis.ConnectionError, redis.TimeoutError.
        """
        if self.error is not None:
            raise _copy(self.error)
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self.used = monotonic()
        self._calls.append(_Call(future, number, self.used + (self._timeout or 0)))
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(packed)
        if self._timer is None and self._timeout is not None:
            self._timer = self._loop.call_later(self._timeout, self._look_at_the_clock)
        return future

    async def flow(self) -> None:
        """Wait until the server reads. Raises redis.TimeoutError."""
        try:
            async with asyncio.timeout(self._timeout):
                await self.flows.wait()
        except TimeoutError:
            raise errors.TimeoutError(_LATE) from None

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is left."""
        return self._closed.is_set()

    def retire(self) -> None:
        """Close once the calls that wait have their replies."""
        self._is_retired = True
        if not self._calls:
            self._transport.close()

    async def aclose(self) -> None:
        """Close at once."""
        self._lose(errors.ConnectionError(_CLOSED))
        await self._closed.wait()

    def data_received(self, data: bytes) -> None:
        """Take in what the server sends."""
        self._heard = monotonic()
        try:
            self._reader.feed(data)
            self._deal()
        except errors.RedisError as error:  # what is no reply at all
            self._lose(error)

    def pause_writing(self) -> None:
        """Let nobody send for a while: the server does not read."""
        self.flows.clear()

    def resume_writing(self) -> None:
        """Let them send again."""
        self.flows.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._lose(errors.ConnectionError(_LOST if exc is None else str(exc)))
        self._connection._reader = self._connection._writer = None
        self._closed.set()

    def _deal(self) -> None:
        gets, calls = self._reader.gets, self._calls
        while (reply := gets()) is not False:
            if type(reply) is PushNotification:
                continue
            if not calls:  # each later call would get the reply of the one before
                raise errors.ConnectionError(_UNASKED)
            call = calls[0]
            call.replies.append(reply)
            if len(call.replies) == call.number:
                calls.popleft()
                if not call.future.done():
                    call.future.set_result(call.replies)
        if self._is_retired and not calls:
            self._transport.close()

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if self.error is None:
            self._transport.write(b"".join(outbox))

    def _look_at_the_clock(self, suspect: _Call | None = None) -> None:
        """Give up where the oldest call is late; else look again when it would be.

        Twice: the loop itself may have been held up, and the reply be there unread.
        """
        self._timer = None
        if not self._calls:
            return
        oldest, patience = self._calls[0], self._timeout or 0
        due = max(oldest.deadline, min(self._heard, oldest.deadline) + patience)
        left = due - monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_at_the_clock)
        elif oldest is suspect:
            self._lose(errors.TimeoutError(_LATE))
        else:
            self._timer = self._loop.call_later(_GRACE, self._look_at_the_clock, oldest)

    def _lose(self, error: errors.RedisError) -> None:
        if self.error is not None:
            return
        self.error = error
        if self._timer is not None:
            self._timer.cancel()
        self.flows.set()
        self._transport.abort()
        calls, self._calls = self._calls, deque()
        for call in calls:
            if not call.future.done():
                call.future.set_exception(_copy(error))


def _copy(error: errors.RedisError) -> errors.RedisError:
    """Return an exception of its own for each who gets it: a traceback belongs to one."""
    return type(error)(*error.args)


class SharedConnection:
    """A connection of redis-py's for all tasks of the running loop, opened anew where it was lost.

    And where it was idle for longer than ``health_check_interval``: what lies between may have
    forgotten it without a word. ``parameters`` are those of redis-py's BlockingConnectionPool.
    """

    def __init__(self, **parameters: Any) -> None:
        self._model = redis.asyncio.BlockingConnectionPool(**parameters)  # knows how to make one
        self._idle: float = parameters.get("health_check_interval") or math.inf
        timeout = parameters.get("socket_timeout")
        to_connect = parameters.get("socket_connect_timeout")
        self._patience: float | None = timeout + to_connect if timeout and to_connect else None
        self._wire: Wire | None = None
        self._open: list[Wire] = []  # this one, and those before it that may not be closed yet
        self._connecting: asyncio.Task[Wire] | None = None

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """What a connection is made with."""
        return dict(self._model.connection_kwargs)

    def make_connection(self) -> AbstractConnection:
        """Return a connection that is not shared."""
        connection: AbstractConnection = self._model.make_connection()
        return connection

    async def exchange(self, packed: bytes, number: int) -> list[Any]:
        """Send ``number`` commands and return the replies; those that are errors, as exceptions.

        Raises redis.ConnectionError, redis.TimeoutError.
        """
        wire = self._wire
        if wire is not None and wire.has_left is not None and await wire.has_left():
            self.retire()
            wire = None
        if wire is None or not self._serves(wire) or not wire.flows.is_set():
            return await self._exchange_in_time(packed, number)
        try:
            return await wire.send(packed, number)
        except errors.TimeoutError as error:
            raise Unanswered(*error.args) from None

    def retire(self) -> None:
        """Have the next call connect anew; who waits for a reply still gets it."""
        if self._wire is not None:
            self._wire.retire()
            self._wire = None

    async def aclose(self) -> None:
        """Close what is open; the next call connects anew."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._wire = None
        for wire in self._open:
            await wire.aclose()

    def _serves(self, wire: Wire) -> bool:
        return wire.error is None and monotonic() - wire.used <= self._idle

    async def _exchange_in_time(self, packed: bytes, number: int) -> list[Any]:
        """Connect, or wait until the server reads; all that may take as long as to connect."""
        async with self._in_time():
            wire = self._wire
            if wire is None or not self._serves(wire):
                wire = await self._connected()
            await wire.flow()
            return await wire.send(packed, number)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            self.retire()  # who comes next is not to wait behind what is late
            raise errors.TimeoutError(_LATE) from None

    async def _connected(self) -> Wire:
        """Wait until there is a connection: one attempt for all who need it."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._settled)
        connecting, task = self._connecting, asyncio.current_task()
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            if connecting.cancelled() and not (task and task.cancelling()):  # aclose() did it
                raise errors.ConnectionError(_CLOSED) from None
            raise

    def _settled(self, task: asyncio.Task[Wire]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # nobody may be there any more to hear of it

    async def _connect(self) -> Wire:
        self.retire()
        connection, kwargs = self.make_connection(), self._model.connection_kwargs
        try:
            async with self._in_time():
                await connection.connect_check_health(check_health=False)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        wire = self._wire = Wire(connection, kwargs.get("socket_timeout"))
        self._open = [one for one in self._open if not one.is_closed] + [wire]
        return wire
