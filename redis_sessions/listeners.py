"""One connection that listens to channels, and listens again when it was lost. No channel names."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from redis import exceptions as errors
from redis.asyncio.connection import AbstractConnection

from . import connections
from .exceptions import SessionStoreUnavailable

logger = logging.getLogger("redis_sessions")

_FORESEEN = (errors.RedisError, OSError)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it is over: before Python 3.12, ``wait_for()`` may swallow that once."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


class Listener:
    """Channels of one server, over one connection of the running event loop.

    ``on_message(channel, payload)`` is called for each message. ``on_resumed()`` is called when all
    channels are listened to again after the connection was lost: messages in between are lost too.
    """

    confirmed_within = 3.0  # seconds for the server to confirm a subscription
    quiet = 10.0  # seconds without a sign of life before a ping, and again before it counts as dead
    base, cap = 0.05, 1.0  # seconds between tries to connect

    def __init__(
        self,
        alias: str,
        on_message: Callable[[str, bytes], None],
        on_resumed: Callable[[], None],
    ) -> None:
        self._alias = alias
        self._on_message = on_message
        self._on_resumed = on_resumed
        self._channels: dict[str, asyncio.Event | None] = {}  # None: the server has confirmed it
        self._unconfirmed: Counter[str] = Counter()  # subscriptions that were sent, by channel
        self._outbox: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self._is_connected = self._listens = False
        self._task = asyncio.ensure_future(self._run())

    @property
    def listens(self) -> bool:
        """Whether messages arrive at the moment, as far as is known."""
        return self._listens

    def add(self, channel: str) -> None:
        """Begin to listen to a channel."""
        if channel not in self._channels:
            self._channels[channel] = asyncio.Event()
            self._ask("SUBSCRIBE", channel)

    async def subscribe(self, channel: str) -> None:
        """Listen to a channel; returns when no later message can be missed.

        Raises SessionStoreUnavailable.
        """
        self.add(channel)
        confirmed = self._channels[channel]
        if confirmed is None:
            return
        try:
            await asyncio.wait_for(confirmed.wait(), self.confirmed_within)
        except TimeoutError as error:
            raise SessionStoreUnavailable(
                f"The session server of CACHES[{self._alias!r}] did not confirm a subscription."
            ) from error

    def unsubscribe(self, channel: str) -> None:
        """Stop listening to a channel."""
        if channel in self._channels:
            del self._channels[channel]
            self._ask("UNSUBSCRIBE", channel)

    async def stop(self) -> None:
        """Close the connection."""
        await end(self._task)

    async def _run(self) -> None:
        failures, resumed = 0, False
        while True:
            try:
                await self._connect(resumed=resumed)
            except Exception as error:  # to listen no more would be worse than any
                failures = 1 if self._listens else failures + 1
                if not isinstance(error, _FORESEEN):
                    logger.exception("Listening to sessions was interrupted.")
                elif failures == 1:
                    logger.warning("Listening to sessions was interrupted: %s", error)
            self._listens, resumed = False, True
            pause = min(self.cap, self.base * 2**failures)
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311

    async def _connect(self, *, resumed: bool) -> None:
        connection = (await connections.shared(self._alias)).make_connection()
        sending = None
        try:
            await connection.connect()
            self._renew_outbox()
            sending = asyncio.ensure_future(self._send(connection))
            while self._unconfirmed:
                await self._take(connection)
            self._listens = True
            if resumed:
                self._on_resumed()
            while True:
                await self._take(connection)
        finally:
            self._is_connected = False
            if sending is not None:
                await end(sending)
            await connection.disconnect(nowait=True)

    def _renew_outbox(self) -> None:
        """Subscribe to everything on a new connection."""
        self._is_connected = True
        self._outbox, self._unconfirmed = asyncio.Queue(), Counter()
        for channel, event in self._channels.items():
            self._channels[channel] = event or asyncio.Event()  # who waits goes on to wait for it
            self._ask("SUBSCRIBE", channel)

    def _ask(self, word: str, channel: str) -> None:
        """Send a word about a channel. Without a connection nothing gathers: it is made up for."""
        if self._is_connected:
            if word == "SUBSCRIBE":
                self._unconfirmed[channel] += 1
            self._outbox.put_nowait((word, channel))

    async def _send(self, connection: AbstractConnection) -> None:
        """Send what is in the outbox, together with all that has gathered meanwhile."""
        try:
            while True:
                batch = [await self._outbox.get()]
                while not self._outbox.empty():
                    batch.append(self._outbox.get_nowait())
                packed = connection.pack_commands(batch)
                await connection.send_packed_command(packed, check_health=False)
        except Exception as error:
            if not isinstance(error, _FORESEEN):
                logger.exception("Channels of sessions could not be asked for.")
            writer: Any = connection._writer
            if writer is not None:  # redis-py has not closed it
                writer.close()  # for the reading side to meet it too

    async def _take(self, connection: AbstractConnection) -> None:
        """Wait for one reply and pass it on. Raises redis-py's errors."""
        reply = await connection.read_response(timeout=self.quiet, push_request=True)
        if reply is None:
            self._outbox.put_nowait(("PING",))
            reply = await connection.read_response(timeout=self.quiet, push_request=True)
        if reply is None:
            raise errors.TimeoutError("the server does not answer")
        kind: Any = reply[0]
        if kind == b"message":
            self._on_message(reply[1].decode(), reply[2])
        elif kind == b"subscribe":
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
