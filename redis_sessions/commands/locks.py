"""Commands on a session's lock: a string that says who holds it, and expires."""

from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

from .. import scripts
from ..record import Record, Unreadable
from . import Command, scripted
from .records import Outcome

T = TypeVar("T")


class Grant(NamedTuple):
    """What became of a try to lock: where it is DONE the record, where it is LOCKED who has it."""

    outcome: Outcome
    record: Record | Unreadable | None = None
    holder: bytes = b""


def key(record: str) -> str:
    """Return the key of the lock of the session with this record."""
    return f"{record}:lock"


def lock(record: str, digests: bytes, holder: str, milliseconds: int) -> Command[Grant]:
    """Take a lock, and read the record under it."""
    words = (record, key(record), digests, holder, milliseconds)
    return scripted("lock", words, _granted, lambda: Grant(Outcome.GONE), keys=2)


def extend(record: str, holder: str, milliseconds: int) -> Command[bool]:
    """Hold a lock for longer; False where it is lost, or the session gone."""
    words = (record, key(record), holder, milliseconds)
    return scripted("extend", words, bool, lambda: False, keys=2)


def unlock(record: str, holder: str) -> Command[int]:
    """Let go of a lock: 1 where it was held, 0 where nobody holds it, -1 where another does."""
    return scripted("unlock", (key(record), holder), int, lambda: -1)


def fenced(command: Command[T], holder: str) -> Command[T]:
    """Return a command on a record that does nothing, and is LOCKED, unless the lock is held."""
    script = scripts.joined(scripts.load("fence"), cast("scripts.Script", command.script))
    record, *rest = command.words[3:]
    words = ("EVALSHA", script.sha, 2, record, key(record), *rest, holder)
    return replace(command, words=words, script=script)


def _granted(reply: list[Any]) -> Grant:
    outcome, *told = reply
    if outcome == Outcome.LOCKED:
        return Grant(Outcome.LOCKED, holder=told[0])
    return Grant(Outcome(outcome), _read(told[0]) if told else None)


def _read(fields: Any) -> Record | Unreadable | None:
    try:
        return Record.from_reply(fields)
    except Unreadable as reason:
        return reason
