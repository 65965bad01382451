"""Commands on their way through a Redis Cluster: which node gets which, what goes where instead.

Written once, as generators that yield what is to be sent to which nodes, and are sent the answers;
``clusters`` does the sending, sync and async.
"""

import random
from collections.abc import Generator, Iterable, Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from redis import exceptions as errors

from .commands import Command, sharding
from .faults import LeftAlone, Unasked, Unmapped
from .queries import Errand, Query, dealt
from .slots import UNKNOWN, Address, SlotMap

T = TypeVar("T")

LEAST_AGE = 0.1  # seconds that a map is gone by: to learn one takes a millisecond


class Batch(NamedTuple):
    """What a node is to be sent, in one write."""

    address: Address
    commands: Sequence[Command[Any]]


Answer = list[Any] | errors.RedisError
Route = Generator[list[Batch], list[Answer], T]
_Stage = dict[Address, list[Errand]]


class Router:
    """The map of a cluster, as far as it is known, and the ways of calls by it."""

    def __init__(self, starts: Iterable[Address]) -> None:
        self.starts = list(starts)
        self._is_doubtful, self._is_learning = True, False
        self._learnt = 0.0
        self._failed: dict[Address, None] = {}  # since the map was learnt, the latest last
        self._newest: Address | None = None  # the node that was named by one that is not in charge
        self.slots = SlotMap(UNKNOWN)

    def route(self, query: Query) -> Route[list[Any]]:
        """Get the replies to all commands. Raises redis.RedisError, and can then be tried again."""
        if self._is_doubtful and not (self.slots.masters and (self._is_learning or self._is_new())):
            yield from self._learn_for_all(query)
        query.begin(self.slots)
        while errands := query.open():
            query.check_time()
            yield from self._exchange(query, self._stage(errands))
        return query.replies()

    def doubt(self, failed: Address | None = None) -> None:
        """Have the next call learn the map anew, from a node that has not failed."""
        self._is_doubtful = True
        if failed is not None:
            self._note(failed)

    def _is_new(self) -> bool:
        return monotonic() - self._learnt < LEAST_AGE

    def learn(self, query: Query) -> Route[None]:
        """Have a node tell the map. Raises redis.RedisError where none does.

        That is Unmapped only where each node that is known has failed since the map was learnt.
        """
        query.is_mapped, reasons = False, dict[Address, errors.RedisError]()
        for address in self._to_ask():
            if query.is_late:
                break
            [answer] = yield [Batch(address, [sharding.slots()])]
            error = self._learn(answer, address)
            if error is None:
                query.is_mapped = True
                return
            reasons[address] = error
        if not self._failed.keys() >= set(self._known()):
            query.check_time()  # raises: there was none to ask the others
        raise Unmapped(reasons)

    def _learn_for_all(self, query: Query) -> Route[None]:
        """Learn, while other calls go by the map that there is."""
        self._is_learning = True
        try:
            yield from self.learn(query)
        finally:
            self._is_learning = False

    def _learn(self, answer: Answer, address: Address) -> errors.RedisError | None:
        """Take in what a node answers; return what is wrong with it."""
        reply = answer if isinstance(answer, errors.RedisError) else answer[0]
        if not isinstance(reply, errors.RedisError):
            try:
                self.slots, self._learnt = SlotMap.from_reply(reply, address), monotonic()
            except ValueError as error:
                reply = errors.ResponseError(str(error))
            else:
                self._is_doubtful, self._newest, self._failed = False, None, {}
                return None
        self._note(address)
        return reply

    def _note(self, failed: Address) -> None:
        self._failed.pop(failed, None)
        self._failed[failed] = None

    def _known(self) -> list[Address]:
        first = [self._newest] if self._newest else []
        others = random.sample(self.slots.nodes, len(self.slots.nodes))
        return [*dict.fromkeys([*first, *others, *self.starts])]

    def _to_ask(self) -> list[Address]:
        """Name nodes that have not failed; where all have, begin with whom it is longest ago."""
        return [node for node in self._known() if node not in self._failed] or [*self._failed]

    def _stage(self, errands: Sequence[Errand]) -> _Stage:
        """Return what can leave now, by node: all of one kind, or all for one node."""
        stage, kinds = _Stage(), set[str]()
        for errand in errands:
            address = errand.at or self._owner(errand.slot)
            if stage and kinds != {errand.kind} and stage.keys() != {address}:
                break
            kinds.add(errand.kind)
            stage.setdefault(address, []).append(errand)
        return stage

    def _owner(self, slot: int) -> Address:
        owner = self.slots.owner(slot)
        if owner is None:
            self.doubt()
            raise errors.ClusterDownError(f"No node of the cluster serves the slot {slot}.")
        return owner

    def _exchange(self, query: Query, stage: _Stage) -> Route[None]:
        batches = [
            Batch(address, [command for errand in errands for command in errand.commands()])
            for address, errands in stage.items()
        ]
        answers = yield batches
        failures: list[errors.RedisError] = []
        for (address, errands), answer in zip(stage.items(), answers, strict=True):
            if isinstance(answer, errors.RedisError):
                failures.append(answer)
                self._fail(address, errands, answer)
            else:
                self._take(query, address, errands, answer)
        for failure in failures:
            raise failure
        if not all(errand.is_done for errands in stage.values() for errand in errands):
            query.redirect()

    def _fail(self, address: Address, errands: list[Errand], error: errors.RedisError) -> None:
        if not isinstance(error, LeftAlone | Unasked | errors.MaxConnectionsError):
            self.doubt(address)  # the others say nothing of the node
        for errand in errands:
            errand.at = None

    def _take(self, query: Query, address: Address, errands: list[Errand], replies: Any) -> None:
        for errand, reply in dealt(errands, replies):
            owner = errand.take(reply, address)
            if owner is not None:
                self.slots, self._newest = self.slots.moved(errand.slot, owner), owner
                self.doubt()
