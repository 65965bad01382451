"""A Redis Cluster: one pool a node for sync code, one shared connection a node for a loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from redis import exceptions as errors

from . import breakers
from .batches import packed
from .breakers import troubled
from .commands import Command
from .exceptions import SessionStoreUnavailable
from .faults import LeftAlone, Unasked
from .pools import SyncPool
from .queries import Query
from .routing import Answer, Batch, Route, Router
from .slots import Address, SlotMap
from .wires import SharedConnection

T = TypeVar("T")

_Commands = Sequence[Command[Any]]
_Exchange = Callable[[SharedConnection, _Commands], Awaitable[list[Any]]]


class SyncCluster:
    """Pools for the nodes of a cluster. ``parameters`` are a pool's, without host and port."""

    def __init__(self, alias: str, starts: Iterable[Address], **parameters: Any) -> None:
        self._alias = alias
        self._parameters = parameters
        self._router = Router(starts)
        self._seen = self._router.slots  # the map that is looked at already
        self._pools: dict[Address, SyncPool] = {}
        self._lock = threading.Lock()

    def send(self, query: Query, exchange: Callable[[SyncPool, _Commands], list[Any]]) -> list[Any]:
        """Return the replies to all commands. Raises redis.RedisError, and can be tried again.

        ``exchange`` sends commands to one node. The nodes get theirs one after the other.
        """
        if self._seen is not self._router.slots:
            self._close_who_left()
        route = self._router.route(query)
        try:
            batches = next(route)
            while True:
                batches = route.send([self._answer(query, batch, exchange) for batch in batches])
        except StopIteration as end:
            replies: list[Any] = end.value
            return replies

    def disconnect(self) -> None:
        """Close the connections that are free; they connect again at their next use."""
        for pool in list(self._pools.values()):
            pool.disconnect()

    def _answer(self, query: Query, batch: Batch, exchange: Any) -> Answer:
        try:
            query.check_time()
        except errors.TimeoutError as late:
            return Unasked(*late.args)
        try:
            _admit(self._alias, batch.address)
            replies: list[Any] = exchange(self._pool(batch.address), batch.commands)
        except errors.RedisError as error:
            return _failed(query, _name(self._alias, batch.address), error)
        if troubled or query.failed:
            _answered(query, _name(self._alias, batch.address))
        return replies

    def _close_who_left(self) -> None:
        with self._lock:
            self._seen = self._router.slots
            left = _who_left(self._alias, self._seen, self._pools)
        for pool in left:
            pool.disconnect()

    def _pool(self, address: Address) -> SyncPool:
        found = self._pools.get(address)
        if found is None:
            with self._lock:
                made = SyncPool(**self._parameters, **address._asdict())
                found = self._pools.setdefault(address, made)
        return found


class AsyncCluster:
    """Shared connections to the nodes of a cluster, for all tasks of the running loop."""

    def __init__(self, alias: str, starts: Iterable[Address], **parameters: Any) -> None:
        self._alias = alias
        self._parameters = parameters
        self._router = Router(starts)
        self._seen = self._router.slots  # the map that is looked at already
        self._nodes: dict[Address, SharedConnection] = {}

    @property
    def slots(self) -> SlotMap:
        """The map, as far as it is known."""
        return self._router.slots

    async def send(self, query: Query, exchange: _Exchange) -> list[Any]:
        """See SyncCluster.send(); the nodes get theirs at once."""
        if self._seen is not self._router.slots:
            self._close_who_left()
        return await self._drive(self._router.route(query), query, exchange)

    def node(self, address: Address | None) -> SharedConnection:
        """Return the connection to a node; without an address, to one that was named to begin."""
        address = address or self._router.starts[0]
        found = self._nodes.get(address)
        if found is None:
            found = SharedConnection(**self._parameters, **address._asdict())
            self._nodes[address] = found
        return found

    async def aclose(self) -> None:
        """Close what is open; the next call connects anew."""
        while self._nodes:
            await self._nodes.popitem()[1].aclose()

    async def learn(self) -> None:
        """Learn the map anew. Raises redis.RedisError."""
        query = Query(())
        await self._drive(self._router.learn(query), query, _ask)

    def doubt(self, failed: Address | None = None) -> None:
        """Have the map learnt anew before its next use."""
        self._router.doubt(failed)

    def _close_who_left(self) -> None:
        self._seen = self._router.slots
        for node in _who_left(self._alias, self._seen, self._nodes):
            node.retire()

    async def _drive(self, route: Route[T], query: Query, exchange: _Exchange) -> T:
        try:
            batches = next(route)
            while True:
                batches = route.send(await self._answers(query, batches, exchange))
        except StopIteration as end:
            value: T = end.value
            return value

    async def _answers(
        self, query: Query, batches: list[Batch], exchange: _Exchange
    ) -> list[Answer]:
        if len(batches) == 1:
            return [await self._answer(query, batches[0], exchange)]
        answers = (self._answer(query, batch, exchange) for batch in batches)
        return await asyncio.gather(*answers)

    async def _answer(self, query: Query, batch: Batch, exchange: _Exchange) -> Answer:
        try:
            _admit(self._alias, batch.address)
            replies = await exchange(self.node(batch.address), batch.commands)
        except errors.RedisError as error:
            return _failed(query, _name(self._alias, batch.address), error)
        if troubled or query.failed:
            _answered(query, _name(self._alias, batch.address))
        return replies


def _name(alias: str, address: Address) -> str:
    return breakers.name_of(alias, f"{address.host}:{address.port}")


def _admit(alias: str, address: Address) -> None:
    """Raise LeftAlone where a node fails one call after another, and is not to be asked now."""
    if troubled:
        try:
            breakers.admit(_name(alias, address))
        except SessionStoreUnavailable:
            raise LeftAlone(f"{address.host}:{address.port} fails, and is left alone") from None


def _failed(query: Query, name: str, error: errors.RedisError) -> errors.RedisError:
    """Note which node it was, for the case that the call fails in the end."""
    if not isinstance(error, LeftAlone):
        query.failed[name] = error
    return error


def _answered(query: Query, name: str) -> None:
    query.failed.pop(name, None)
    breakers.answered(name)


def _who_left(alias: str, slots: SlotMap, nodes: dict[Address, T]) -> list[T]:
    """Forget the nodes that are not in the map any more; return what there was of them."""
    names = {_name(alias, address) for address in slots.nodes}
    for name in list(troubled):
        if name.startswith(f"{alias}, ") and name not in names:
            breakers.gone(name)
    return [nodes.pop(address) for address in list(nodes) if address not in slots.nodes]


async def _ask(node: SharedConnection, commands: _Commands) -> list[Any]:
    return await node.exchange(packed([command.words for command in commands]), len(commands))


def of_cluster(
    alias: str, parameters: dict[str, Any], addresses: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what all nodes have in common, and ``starts``: the nodes that are asked for others."""
    if any("path" in address for address in addresses):
        raise ImproperlyConfigured(
            f"The LOCATION of CACHES[{alias!r}] names a Unix socket; the nodes of a cluster are"
            " reached by host and port."
        )
    if any(given.get("db") for given in [parameters, *addresses]):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] names a database; with CLUSTER there is only 0. To keep sessions"
            ' apart from other keys, use REDIS_SESSIONS["KEY_PREFIX"].'
        )
    starts = [Address(one.get("host", "localhost"), one.get("port", 6379)) for one in addresses]
    common = {key: parameters[key] for key in parameters.keys() - {"host", "port", "db"}}
    return common | {"starts": starts}
