"""The commands of one call to a Redis Cluster, in parts for its masters. No I/O, no map."""

import math
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from redis import exceptions as errors

from .commands import Command, sharding
from .commands.sharding import Part
from .slots import Address, SlotMap

_REDIRECTIONS = 8  # of one call
_ASTRAY = "The nodes of the cluster do not agree who serves a slot."

_LATE = "Timeout: the nodes of the cluster did not answer in time."


class Errand:
    """A part of a command, until its reply is there."""

    def __init__(self, part: Part) -> None:
        self.command, self.slot, self.kind = part
        self.at: Address | None = None  # who is just taking over the slot, and has this key already
        self.is_done = False
        self.reply: Any = None

    def commands(self) -> Sequence[Command[Any]]:
        """Return what is to be sent; the last reply is the one that counts."""
        return sharding.asking(self.command) if self.at else [self.command]

    def take(self, reply: Any, node: Address) -> Address | None:
        """Take in a reply of a node; return who serves the slot instead, if it says so."""
        if not isinstance(reply, errors.AskError):
            self.reply, self.is_done = reply, True
            return None
        other = Address(reply.host or node.host, reply.port)
        if isinstance(reply, errors.MovedError):
            self.at = None
            return other
        self.at = other
        return None


class Query:
    """What a call asks, and until when, by monotonic().

    What was done is not sent again where the call is tried again.
    """

    def __init__(self, commands: Sequence[Command[Any]], until: float = math.inf) -> None:
        self.until = until
        self.failed: dict[str, errors.RedisError] = {}  # by the names of nodes
        self.is_mapped = False  # whether a node has told it the map
        self._commands = commands
        self._masters: list[int] = []
        self._errands: list[list[Errand]] = []
        self._redirections = 0

    def begin(self, slots: SlotMap) -> None:
        """Take the commands to pieces, once."""
        if not self._errands:
            self._masters = sorted(slots.masters.values())
            each = (sharding.parts(command, self._masters) for command in self._commands)
            self._errands = [[Errand(part) for part in parts] for parts in each]

    def open(self) -> list[Errand]:
        """Return what has no reply yet, in order."""
        return [one for errands in self._errands for one in errands if not one.is_done]

    @property
    def is_late(self) -> bool:
        """Whether there is no time left."""
        return monotonic() >= self.until

    def check_time(self) -> None:
        """Raise redis.TimeoutError where there is none left."""
        if self.is_late:
            raise errors.TimeoutError(_LATE)

    def redirect(self) -> None:
        """Count a redirection. Raises redis.ClusterDownError where they do not end."""
        self._redirections += 1
        if self._redirections > _REDIRECTIONS:
            raise errors.ClusterDownError(_ASTRAY)

    def replies(self) -> list[Any]:
        """Return the reply to each command."""
        return [
            sharding.joined(command, [one.reply for one in errands], self._masters)
            for command, errands in zip(self._commands, self._errands, strict=True)
        ]


def dealt(errands: Sequence[Errand], answer: list[Any]) -> Iterator[tuple[Errand, Any]]:
    """Yield each errand with its reply."""
    replies = iter(answer)
    for errand in errands:
        *_, reply = (next(replies) for _ in errand.commands())
        yield errand, reply
