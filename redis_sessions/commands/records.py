"""Commands on a session's record."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from ..inspection import Inspection
from ..reasons import Reason
from ..record import Facts, Record, Unreadable
from ..tokens import is_id
from . import Command, as_is, nothing, scripted

T = TypeVar("T")

_WRONG_TYPE = "the key holds something else than a hash"
KEEP = "keep"  # the idle time that a record has noted already
FOREVER = 10**11  # seconds: no limit, and small enough to be added to a time


class Outcome(IntEnum):
    """What became of an operation that had to prove its right to a record."""

    LOCKED = -2  # by another; or the lock was lost that the operation needs
    ROTATED = -1  # the secret was exchanged
    GONE = 0
    DONE = 1
    ENDED = 2
    TOUCHED = 3


class Result(NamedTuple):
    """What became of an operation, and version and expiry (unix seconds) of the record then.

    Both are 0 where there is no record any more, or none for this secret. ``former`` is the expiry
    before a touch that renewed it.
    """

    outcome: Outcome
    version: int = 0
    expiry: int = 0
    former: int = 0


class Ended(NamedTuple):
    """What became of an end, and the user that the record held, signed.

    Where the secret had been rotated away, ``expiry`` (unix seconds) is that of the record.
    """

    outcome: Outcome
    user: bytes | None = None
    expiry: int = 0


def record_key(prefix: str, session_id: str) -> str:
    """Return the key of a session's record. The braces are Redis Cluster's hash tag."""
    return f"{prefix}:{{{session_id}}}"


def session_id(record: str) -> str:
    """Return the id of the session whose record has this key."""
    return record[record.index("{") + 1 : -1]


def id_of(prefix: str, key: str) -> str | None:
    """Return the id of the session whose record has this key; None if it is none of a record."""
    between = key[len(prefix) + 2 : -1]
    return between if is_id(between) and key == record_key(prefix, between) else None


def load(record: str) -> Command[Record | None]:
    """Read a record; None where there is none. Raises Unreadable for what is no record."""
    return Command(("HGETALL", record), Record.from_reply, _not_a_hash)


def peek(record: str) -> Command[Record | Unreadable | None]:
    """Read a record as load() does; what cannot be read is a value here."""
    return Command(("HGETALL", record), _peeked, lambda: Unreadable(_WRONG_TYPE))


def stored_digest(record: str) -> Command[bytes | None]:
    """Read the digest of a record only."""
    return Command(("HGET", record, b"\0k"), as_is, nothing)


def stored_user(record: str) -> Command[bytes | None]:
    """Read whose record it is, signed; None where nobody is logged in, or there is none."""
    return Command(("HGET", record, b"_auth_user_id"), as_is, nothing)


def facts(record: str) -> Command[Facts | None]:
    """Read what is told of a session to its user; None where there is none that can be read."""
    return Command(("HMGET", record, *Facts.FIELDS), Facts.from_reply, nothing)


def inspect(record: str) -> Command[Inspection | None]:
    """Read what can be told of a record, readable or not; None where there is none."""
    unreadable = Inspection(Unreadable(_WRONG_TYPE), {})
    return Command(("HGETALL", record), Inspection.from_reply, lambda: unreadable)


def create(
    record: str,
    digest: bytes,
    now: int,
    expiry: int,
    idle: int | None,
    fields: Mapping[bytes, bytes],
    *,
    login: bool = False,
) -> Command[bool]:
    """Store a new record; False where the id is taken."""
    life = (now, expiry, _or_empty(idle), int(login))
    words = (record, digest, *life, *chain.from_iterable(fields.items()))
    return scripted("create", words, bool, lambda: False, waits=True)


def save(
    record: str,
    digests: bytes,
    now: int,
    *,
    age: int,
    absolute_age: int,
    idle: int | str | None,
    empty_age: int | None,
    replaces: bool,
    ends_at: int | None,
    changed: Mapping[bytes, bytes],
    removed: Iterable[bytes],
    writer: str = "",
    login: bool = False,
) -> Command[Result]:
    """Set and delete fields of a record, and renew its expiry; at version ``ends_at``, end it."""
    life = (age, absolute_age, _or_empty(idle), _or_empty(empty_age))
    manner = (int(replaces), _or_empty(ends_at), writer, int(login), 11 + 2 * len(changed))
    fields = (*chain.from_iterable(changed.items()), *removed)
    words = (record, digests, now, *life, *manner, *fields)
    return scripted("save", words, _result, _gone, waits=True)


def renew(record: str, digests: bytes, fields: Mapping[bytes, tuple[bytes, bytes]]) -> Command[int]:
    """Replace values, given as (as read, anew), that nobody has written since; b"" removes one."""
    named = chain.from_iterable((name, *pair) for name, pair in fields.items())
    return scripted("renew", (record, digests, *named), int, lambda: 0)


def rotate(
    record: str,
    digests: bytes,
    new_digest: bytes,
    now: int,
    reason: Reason = Reason.LOGIN,
    writer: str = "",
    *,
    wrapped: bytes = b"",
) -> Command[Result]:
    """Give a record a new digest, and the keys that open what it has sealed."""
    words = (record, digests, new_digest, now, reason.value, writer, wrapped)
    return scripted("rotate", words, _result, _gone, waits=True)


def end(
    record: str, digests: bytes, reason: Reason = Reason.LOGOUT, writer: str = ""
) -> Command[Ended]:
    """Remove a record."""
    words = (record, digests, reason.value, writer)
    return scripted("end", words, _ended, lambda: Ended(Outcome.GONE), waits=True)


def revoke(record: str, reason: Reason, users: Iterable[bytes]) -> Command[bool]:
    """Remove a record that holds one of ``users``, signed; of whomever, where none is given."""
    return scripted("revoke", (record, reason.value, *users), bool, lambda: False, waits=True)


def touch(
    record: str, digests: bytes, now: int, *, idle: int, absolute_age: int, interval: int
) -> Command[Result]:
    """Renew a record's expiry where that gains ``interval`` seconds at least."""
    words = (record, digests, now, idle, absolute_age, interval)
    return scripted("touch", words, _result, _gone)


def _or_empty(number: int | str | None) -> int | str:
    return "" if number is None else number


def _result(reply: list[int]) -> Result:
    return Result(Outcome(reply[0]), *reply[1:])


def _ended(reply: list[Any]) -> Ended:
    outcome, *told = reply
    if outcome == Outcome.ROTATED:
        return Ended(Outcome.ROTATED, expiry=int(told[0]) if told else 0)
    return Ended(Outcome(outcome), *told)


def _gone() -> Result:
    return Result(Outcome.GONE)


def _not_a_hash() -> Record | None:
    raise Unreadable(_WRONG_TYPE)


def _peeked(reply: Any) -> Record | Unreadable | None:
    try:
        return Record.from_reply(reply)
    except Unreadable as reason:
        return reason
