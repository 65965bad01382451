"""One connection that listens to channels, and listens again when it was lost. No channel names."""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import hiredis
from redis import exceptions as errors
from redis.asyncio.connection import AbstractConnection

from . import breakers, connections
from .batches import packed
from .exceptions import SessionStoreUnavailable
from .slots import Address

logger = logging.getLogger("redis_sessions")

_MESSAGE, _SUBSCRIBED = {b"message", b"smessage"}, {b"subscribe", b"ssubscribe"}
_FORESEEN = (errors.RedisError, OSError)
_LOST = "The server closed the connection."
_MOVED = "The sentinels name another master."


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it is over: before Python 3.12, ``wait_for()`` may swallow that once."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


def unavailable(alias: str) -> SessionStoreUnavailable:
    """Return what is raised where a subscription is not confirmed in time."""
    return SessionStoreUnavailable(
        f"The session server of CACHES[{alias!r}] did not confirm a subscription."
        " Check that it runs and can be reached."
    )


class _Ear(asyncio.Protocol):
    """A connection that redis-py has opened; ``on_reply()`` is called for each thing it says.

    A message costs no turn of a task: a live session hears of each of its own writes as well.
    """

    def __init__(self, connection: AbstractConnection, on_reply: Callable[[Any], None]) -> None:
        self._connection = connection  # keeps what belongs to it alive
        self.has_left = getattr(connection, "has_left", None)  # with Sentinel
        self._on_reply = on_reply
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._outbox: list[tuple[Any, ...]] = []
        self.heard = self._loop.time()
        parse_error = connection._parser.parse_error
        self._reader = hiredis.Reader(protocolError=errors.InvalidResponse, replyError=parse_error)
        writer: Any = connection._writer
        self._transport: asyncio.Transport = writer.transport
        self._transport.set_protocol(self)

    def send(self, *words: str) -> None:
        """Send a command, together with all that gathers in this turn of the loop."""
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(words)

    async def lost(self, within: float) -> None:
        """Wait for so many seconds. Raises why the connection was lost, if it is."""
        await asyncio.wait([self._lost], timeout=within)
        if self._lost.done():
            self._lost.result()

    def close(self) -> None:
        """Close at once."""
        self._lose(errors.ConnectionError(_LOST))
        self._lost.exception()  # nobody may wait for it

    def data_received(self, data: bytes) -> None:
        """Take in what the server sends."""
        self.heard = self._loop.time()
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                self._on_reply(reply)
        except Exception as error:  # noqa: BLE001 it is raised where it is waited for
            self._lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._lose(exc or errors.ConnectionError(_LOST))
        self._connection._reader = self._connection._writer = None

    def _lose(self, error: Exception) -> None:
        self._transport.abort()
        if not self._lost.done():
            self._lost.set_exception(error)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        try:
            self._transport.write(packed(outbox))
        except Exception as error:  # noqa: BLE001 it is raised where it is waited for
            self._lose(error)


class Listener:
    """Channels of one server, over one connection of the running event loop.

    ``on_message(channel, payload)`` is called for each message. ``on_resumed()`` is called when all
    channels are listened to again after the connection was lost: messages in between are lost too.
    ``address`` is that of a node, in a cluster.
    """

    words = ("SUBSCRIBE", "UNSUBSCRIBE")

    quiet = 10.0  # seconds without a sign of life before a ping, and again before it counts as dead
    base, cap = 0.05, 0.5  # seconds between tries to connect
    bridged = 0.5  # seconds without a connection until who waits for a confirmation is told

    def __init__(
        self,
        alias: str,
        on_message: Callable[[str, bytes], None],
        on_resumed: Callable[[], None],
        address: Address | None = None,
    ) -> None:
        self._alias = alias
        self.address = address
        self._on_message = on_message
        self._on_resumed = on_resumed
        self._channels: dict[str, asyncio.Event | None] = {}  # None: the server has confirmed it
        self._unconfirmed: Counter[str] = Counter()  # subscriptions that were sent, by channel
        self._ear: _Ear | None = None
        self._listens = self._was_lost = self._is_given_up = False
        self._task = asyncio.ensure_future(self._run())

    @property
    def listens(self) -> bool:
        """Whether messages arrive at the moment, as far as is known."""
        return self._listens

    def add(self, channel: str) -> None:
        """Begin to listen to a channel."""
        if channel not in self._channels:
            self._channels[channel] = asyncio.Event()
            self._ask(self.words[0], channel)

    async def subscribe(self, channel: str) -> None:
        """Listen to a channel; returns when no later message can be missed.

        Raises SessionStoreUnavailable.
        """
        self.add(channel)
        confirmed = self._channels[channel]
        if confirmed is None:
            return
        if self._is_given_up or breakers.would_refuse(self._alias):
            raise unavailable(self._alias)
        await self._confirmed(confirmed)
        if self._channels.get(channel) is not None:
            raise unavailable(self._alias)

    async def _confirmed(self, confirmed: asyncio.Event) -> None:
        """Wait for a confirmation. Raises SessionStoreUnavailable.

        The server has as long for it as for any reply; while it says other things, it has longer:
        a process that is busy hears late.
        """
        patience, now = connections.patience(self._alias), asyncio.get_running_loop().time
        deadline = now() + patience.call
        while not confirmed.is_set():
            asked = now()
            left = min(patience.reply, deadline - asked)
            try:
                await asyncio.wait_for(confirmed.wait(), None if left == math.inf else left)
            except TimeoutError as error:
                is_deaf = self._ear is not None and self._ear.heard < asked
                if is_deaf or now() >= deadline:
                    raise unavailable(self._alias) from error

    def unsubscribe(self, channel: str) -> None:
        """Stop listening to a channel."""
        if channel in self._channels:
            del self._channels[channel]
            self._ask(self.words[1], channel)

    async def stop(self) -> None:
        """Close the connection."""
        await end(self._task)

    async def _run(self) -> None:
        failures, lost = 0, 0.0
        while True:
            try:
                await self._connect()
            except Exception as error:  # to listen no more would be worse than any
                failures = 1 if self._listens else failures + 1
                if not isinstance(error, _FORESEEN):
                    logger.exception("Listening to sessions was interrupted.")
                elif failures == 1:
                    logger.warning("Listening to sessions was interrupted: %s", error)
            now = asyncio.get_running_loop().time()
            lost = now if failures == 1 else lost
            self._listens, self._was_lost = False, True
            if now - lost >= self.bridged:
                self._give_up()
            self._lost()
            pause = min(self.cap, self.base * 2 ** min(failures, 10))  # there are days of them
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311

    def _lost(self) -> None:
        """Hear that the connection was lost, or could not be made."""

    async def _connect(self) -> None:
        """Listen until the connection is lost. Raises why."""
        node = await connections.node(self._alias, self.address)
        connection = node.make_connection()
        try:
            await connection.connect()
            self._ear = _Ear(connection, self._take)
            self._subscribe_anew()
            while True:
                await self._is_alive(self._ear)
        finally:
            if self._ear is not None:
                self._ear.close()
                self._ear = None
            await connection.disconnect(nowait=True)

    async def _is_alive(self, ear: _Ear) -> None:
        """Wait until nothing was heard for a while, and ask. Raises redis.TimeoutError."""
        now = asyncio.get_running_loop().time
        while (left := ear.heard + self.quiet - now()) > 0:
            await ear.lost(within=min(left, self.quiet if ear.has_left is None else 1.0))
            if ear.has_left is not None and await ear.has_left():
                raise errors.ConnectionError(_MOVED)
        asked = now()
        ear.send("PING")
        await ear.lost(within=self.quiet)
        if ear.heard < asked:
            raise errors.TimeoutError("the server does not answer")

    def _give_up(self) -> None:
        """Have who waits, and who comes until there is a connection, fail at once."""
        self._is_given_up = True
        for channel, event in self._channels.items():
            if event is not None:
                self._channels[channel] = asyncio.Event()
                event.set()

    def _subscribe_anew(self) -> None:
        """Subscribe to everything on a new connection."""
        self._is_given_up = False
        self._unconfirmed = Counter()
        for channel, event in self._channels.items():
            self._channels[channel] = event or asyncio.Event()  # who waits goes on to wait for it
            self._ask(self.words[0], channel)
        self._look_whether_all_are_confirmed()

    def _ask(self, word: str, channel: str) -> None:
        """Send a word about a channel. Without a connection nothing gathers: it is made up for."""
        if self._ear is not None:
            if word == self.words[0]:
                self._unconfirmed[channel] += 1
            self._ear.send(word, channel)

    def _take(self, reply: Any) -> None:
        """Take in one thing that the server says. Raises what is an error."""
        if isinstance(reply, Exception):
            raise reply
        kind = reply[0]
        if kind in _MESSAGE:
            self._on_message(reply[1].decode(), reply[2])
        elif kind in _SUBSCRIBED:
            self._confirm(reply[1].decode())

    def _confirm(self, channel: str) -> None:
        """Note a confirmation; the last one counts, where it was listened to before and again."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] <= 0:
            del self._unconfirmed[channel]
            confirmed = self._channels.get(channel)
            if confirmed is not None:
                confirmed.set()
                self._channels[channel] = None
        self._look_whether_all_are_confirmed()

    def _look_whether_all_are_confirmed(self) -> None:
        if not self._listens and not self._unconfirmed:
            self._listens = True
            if self._was_lost:
                self._on_resumed()
