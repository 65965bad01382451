"""Listen to the channels of a Redis Cluster, each at the master that serves it. No channel names.

One connection a master that has channels of ours. Where a slot moves, or another node takes over
from a master, its channels are listened to there, and whoever listens is told to look.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

from redis import exceptions as errors

from . import connections
from .clusters import AsyncCluster
from .listeners import Listener, end, unavailable
from .slots import Address, slot_of

logger = logging.getLogger("redis_sessions")

_UNKNOWN = b""  # what is told of a channel on which something may have been said meanwhile


class _Shard(Listener):
    """The channels of one master. ``on_astray`` is called when it is not in charge of a slot."""

    words = ("SSUBSCRIBE", "SUNSUBSCRIBE")

    def __init__(
        self,
        alias: str,
        address: Address,
        on_message: Callable[[str, bytes], None],
        on_astray: Callable[[int | None], None],
    ) -> None:
        super().__init__(alias, on_message, self._tell_all, address)
        self._on_astray = on_astray
        self._moved: set[str] = set()

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to listen to."""
        return not self._channels

    def waiting(self, channel: str) -> asyncio.Event | None:
        """Return what is set once a channel is listened to; None where that is so.

        Raises SessionStoreUnavailable where this master is lost, and not just for a moment.
        """
        if self._is_given_up:
            raise unavailable(self._alias)
        return self._channels[channel]

    def adopt(self, channel: str, waiting: asyncio.Event, *, is_moved: bool) -> None:
        """Listen to a channel, perhaps one of another master's."""
        self._channels[channel] = waiting
        if is_moved:
            self._moved.add(channel)
        self._ask(self.words[0], channel)

    def release(self, channel: str) -> asyncio.Event:
        """Forget a channel that this master does not serve; return what those wait for who do."""
        self._moved.discard(channel)
        self._unconfirmed.pop(channel, None)
        self._look_whether_all_are_confirmed()
        return self._channels.pop(channel) or asyncio.Event()

    def _lost(self) -> None:
        self._on_astray(None)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, errors.MovedError):
            self._on_astray(int(reply.slot_id))
        elif not isinstance(reply, Exception) and reply[0] == b"sunsubscribe":
            channel = reply[1].decode()
            if channel in self._channels:  # nobody has asked for that
                self._on_astray(slot_of(channel))
        else:
            super()._take(reply)

    def _confirm(self, channel: str) -> None:
        super()._confirm(channel)
        if channel in self._moved and self._channels.get(channel, True) is None:
            self._moved.discard(channel)
            self._on_message(channel, _UNKNOWN)

    def _tell_all(self) -> None:
        for channel in list(self._channels):
            self._on_message(channel, _UNKNOWN)


class ShardedListener:
    """Channels of a cluster; see Listener. What may have been missed is an empty message."""

    base, cap = 0.05, 1.0  # seconds between tries to find out who serves what

    def __init__(self, alias: str, on_message: Callable[[str, bytes], None]) -> None:
        self._alias = alias
        self._on_message = on_message
        self._cluster: AsyncCluster | None = None
        self._shards: dict[Address, _Shard] = {}
        self._homes: dict[str, _Shard] = {}
        self._homeless: dict[str, asyncio.Event] = {}
        self._moved: set[str] = set()
        self._astray: set[int] = set()  # slots
        self._doubt = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    @property
    def listens(self) -> bool:
        """Whether messages arrive at the moment, as far as is known."""
        shards = {*self._homes.values()}
        return not self._homeless and all(shard.listens for shard in shards)

    def add(self, channel: str) -> None:
        """Begin to listen to a channel."""
        if channel not in self._homes and channel not in self._homeless:
            self._homeless[channel] = asyncio.Event()
            self._house(channel)

    async def subscribe(self, channel: str) -> None:
        """See Listener.subscribe()."""
        self.add(channel)
        waiting = self._waiting(channel)
        if waiting is None:
            return
        patience = connections.patience(self._alias).call
        try:
            await asyncio.wait_for(waiting.wait(), None if patience == math.inf else patience)
        except TimeoutError as error:
            raise unavailable(self._alias) from error
        if self._waiting(channel) is not None:
            raise unavailable(self._alias)

    def unsubscribe(self, channel: str) -> None:
        """Stop listening to a channel."""
        self._homeless.pop(channel, None)
        self._moved.discard(channel)
        home = self._homes.pop(channel, None)
        if home is not None:
            home.unsubscribe(channel)

    async def stop(self) -> None:
        """Close the connections."""
        await end(self._task)
        while self._shards:
            await self._shards.popitem()[1].stop()

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            try:
                await self._settle()
                failures = 0
            except Exception as error:  # to listen no more would be worse than any
                failures += 1
                self._doubt.set()
                if not isinstance(error, errors.RedisError):
                    logger.exception("Who serves the sessions' channels is not known.")
            await asyncio.sleep(min(self.cap, self.base * 2 ** min(failures, 10)))

    async def _settle(self) -> None:
        """Learn who serves what, and have each channel listened to there."""
        found = await connections.shared(self._alias)
        self._cluster = found if isinstance(found, AsyncCluster) else None
        if self._cluster is not None:
            await self._cluster.learn()
        astray, self._astray = self._astray, set()
        for channel, home in list(self._homes.items()):
            slot = slot_of(channel)
            if slot in astray or home.address != self._owner(slot):
                self._homeless[channel] = self._homes.pop(channel).release(channel)
                self._moved.add(channel)
        for channel in list(self._homeless):
            self._house(channel)
        for address in list(self._shards):
            if self._shards[address].is_empty:  # who was it a moment ago may have been joined
                await self._shards.pop(address).stop()

    def _house(self, channel: str) -> None:
        """Have a channel listened to at the master that serves it, if that is known."""
        owner = self._owner(slot_of(channel))
        if owner is None:
            self._doubt.set()
            return
        shard = self._shards.get(owner)
        if shard is None:
            shard = _Shard(self._alias, owner, self._on_message, self._stray)
            self._shards[owner] = shard
        self._homes[channel] = shard
        is_moved = channel in self._moved
        self._moved.discard(channel)
        shard.adopt(channel, self._homeless.pop(channel), is_moved=is_moved)

    def _waiting(self, channel: str) -> asyncio.Event | None:
        """Return what is set once a channel is listened to, or its master given up.

        Raises SessionStoreUnavailable, where that was done.
        """
        home = self._homes.get(channel)
        return self._homeless.get(channel) if home is None else home.waiting(channel)

    def _owner(self, slot: int) -> Address | None:
        return None if self._cluster is None else self._cluster.slots.owner(slot)

    def _stray(self, slot: int | None) -> None:
        """Find out anew who serves what: a master does not serve this slot, or is lost."""
        if slot is not None:
            self._astray.add(slot)
        self._doubt.set()


def listener(
    alias: str, on_message: Callable[[str, bytes], None], on_resumed: Callable[[], None]
) -> Listener | ShardedListener:
    """Return what listens to the channels of a server, or of a cluster."""
    if connections.is_cluster(alias):
        return ShardedListener(alias, on_message)
    return Listener(alias, on_message, on_resumed)
