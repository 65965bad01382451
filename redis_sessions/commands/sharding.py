"""What becomes of commands where the keys are spread over the masters of a Redis Cluster.

Each of our commands is about one key, and goes to the master that serves it; the few others are
taken to pieces here. Channels are sharded: a message goes to the nodes that serve its channel.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from ..scripts import Script, named
from ..slots import SLOTS, slot_of
from . import Command, as_is, nothing
from .sockets import CHANNELS

_CURSOR = 64  # bits; above them, which master a scan has come to: its first slot, and 1
_LOOKS = {"HGETALL", "HMGET", "MEMORY", "OBJECT", "PUBSUB", "TTL"}  # in any order, at records
_KEY_AT = {"EVALSHA": 3, "MEMORY": 2, "OBJECT": 2, "PUBSUB": 2}  # elsewhere: 1

ASKING: Command[None] = Command(("ASKING",), lambda _: None, nothing)


class Part(NamedTuple):
    """A command for the master of a slot. Parts of one kind may be done in any order."""

    command: Command[Any]
    slot: int
    kind: str


def slots() -> Command[list[Any]]:
    """Ask a node which node serves which slots."""
    return Command(("CLUSTER", "SLOTS"), as_is, list)


def asking(command: Command[Any]) -> list[Command[Any]]:
    """Return what to send to a master that is just taking over the slot.

    A script goes as its text: where it was not known, ASKING would have to be said again.
    """
    if command.script is None:
        return [ASKING, command]
    words = ("EVAL", command.script.text, *command.words[2:])
    return [ASKING, Command(words, command.parse, command.wrong_type)]


def parts(command: Command[Any], masters: Sequence[int]) -> list[Part]:
    """Return the parts of a command; ``masters`` are the first slots of all, in order."""
    words = command.words
    if words[0] == "INFO":
        return [Part(command, slot, words[0]) for slot in masters]
    if words[0] == "SCAN":
        at, cursor = divmod(words[1], 1 << _CURSOR)
        return [_part(command, (words[0], cursor, *words[2:]), at - 1 if at else masters[0])]
    if words[0] == "PUBSUB":
        names = range(2, len(words), CHANNELS)
        each = ((words[0], "SHARDNUMSUB", *words[at : at + CHANNELS]) for at in names)
        return [_part(command, some, slot_of(some[2])) for some in each]
    slot = slot_of(words[_KEY_AT.get(words[0], 1)])
    if command.script is None:
        return [Part(command, slot, _kind(words))]
    script = sharded(command.script)
    sent = Command(("EVALSHA", script.sha, *words[2:]), as_is, nothing, script)
    return [Part(sent, slot, script.sha)]


def joined(command: Command[Any], replies: Sequence[Any], masters: Sequence[int]) -> Any:
    """Return the reply to a command, from the replies to its parts."""
    for reply in replies:
        if isinstance(reply, Exception):
            return reply
    word = command.words[0]
    if word == "INFO":
        return b"\r\n".join(replies)
    if word == "PUBSUB":
        return [item for reply in replies for item in reply]
    return _scanned(command, replies[0], masters) if word == "SCAN" else replies[0]


def progress(cursor: int) -> float | None:
    """Return how much of the slots lies before a cursor, from 0 to 1; None for a single server."""
    at = cursor >> _CURSOR
    return (at - 1) / SLOTS if at else None


@cache
def sharded(script: Script) -> Script:
    """Return the script that publishes on sharded channels."""
    return named(script.text.replace("redis.call('PUBLISH'", "redis.call('SPUBLISH'"))


def _part(command: Command[Any], words: tuple[Any, ...], slot: int) -> Part:
    return Part(Command(words, command.parse, command.wrong_type), slot, _kind(words))


def _kind(words: tuple[Any, ...]) -> str:
    return "" if words[0] in _LOOKS else str(words[0])


def _scanned(command: Command[Any], reply: Any, masters: Sequence[int]) -> list[Any]:
    """Put into the cursor which master goes on, or comes next."""
    at = command.words[1] >> _CURSOR or masters[0] + 1
    cursor, keys = int(reply[0]), reply[1]
    if cursor == 0:
        at = next((slot + 1 for slot in masters if slot >= at), 0)
    return [at << _CURSOR | cursor, keys]
