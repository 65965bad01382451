"""Commands that leave together: bytes, what is to be sent again, what replies mean. No I/O."""

from collections.abc import Sequence
from typing import Any

import hiredis
from redis import exceptions as errors

from .commands import Command
from .faults import fault_of

Words = tuple[Any, ...]


def waits(commands: Sequence[Command[Any]]) -> bool:
    """Tell whether replicas are to confirm what some command writes."""
    return any(command.waits for command in commands)


def packed(batch: Sequence[Words]) -> bytes:
    """Return the bytes of commands that leave together."""
    return b"".join([hiredis.pack_command(words) for words in batch])


def has_error(replies: list[Any]) -> bool:
    """Tell whether a reply is an error. Raises it where this server will not do: connect anew."""
    for reply in replies:
        if isinstance(reply, errors.RedisError):
            break
    else:
        return False
    for reply in replies:
        if isinstance(reply, errors.RedisError) and _ends(reply):
            raise reply
    return True


def _ends(error: errors.RedisError) -> bool:
    """Tell whether it is of the connection or passes; else it concerns one command."""
    return not isinstance(error, errors.ResponseError) or bool(fault_of(error).seconds)


def to_repeat(commands: Sequence[Command[Any]], replies: list[Any]) -> list[Words]:
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


def meanings(commands: Sequence[Command[Any]], replies: Sequence[Any]) -> list[Any]:
    """Return what the replies mean. Raises redis.ResponseError, and what a command raises."""
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
