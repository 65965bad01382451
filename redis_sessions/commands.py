"""Commands: what to send for each operation, and what the reply means.

Names of Redis keys and commands live here and in ``scripts/``. No client, no clock, no settings:
digests, times and ages are arguments.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from operator import mul
from typing import Any, Generic, NamedTuple, TypeVar

from . import scripts
from .inspection import Inspection
from .reasons import Reason
from .record import Facts, Record, Unreadable
from .tokens import is_id

T = TypeVar("T")

_WRONG_TYPE = "the key holds something else than a hash"
KEEP = "keep"  # the idle time that a record has noted already
_DIGITS = 10  # of the number of sockets that one process has for one session
_MICROSECONDS = re.compile(rb"[0-9]{1,17}")  # a datetime holds no more
FOREVER = 10**11  # seconds: no limit, and small enough to be added to a time


class Outcome(IntEnum):
    """What became of an operation that had to prove its right to a record."""

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
    """What became of an end, and the user that the record held, signed."""

    outcome: Outcome
    user: bytes | None = None


@dataclass(slots=True)  # not frozen: that would triple what it costs to make one
class Command(Generic[T]):
    """One command and the meaning of its reply.

    ``words`` is the command as sent. With a ``script``, they are what follows the script's name.
    ``wrong_type`` answers where the key holds something that is not a record.
    """

    words: tuple[Any, ...]
    parse: Callable[[Any], T]
    wrong_type: Callable[[], T]
    script: scripts.Script | None = None


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


def tally_channels(record: str) -> list[str]:
    """Return the channels whose subscribers tell how many sockets a session has.

    A process with one socket listens to the record's own channel. With more, it also listens to
    those that stand for the binary digits of the others: 1, 2, 4 and so on. Nothing is published
    there. So what a process counts goes with its connection, however that ends.
    """
    return [f"{record}:sockets:{2**digit}" for digit in range(_DIGITS)]


def sockets(records: Sequence[str]) -> Command[list[int]]:
    """Count the open sockets of sessions."""
    channels = [name for record in records for name in (record, *tally_channels(record))]
    return Command(("PUBSUB", "NUMSUB", *channels), _tallied, list)


def _tallied(reply: list[Any]) -> list[int]:
    weights, numbers = [1, *(2**digit for digit in range(_DIGITS))], reply[1::2]
    return [
        sum(map(mul, weights, numbers[start : start + len(weights)]))
        for start in range(0, len(numbers), len(weights))
    ]


def claim_key(prefix: str, digest: str) -> str:
    """Return the key of a claim."""
    return f"{prefix}:claim:{{{digest}}}"


def login_key(prefix: str, user_id: str) -> str:
    """Return the key of a user's last login."""
    return f"{prefix}:login:{{{user_id}}}"


def note_login(name: str, microseconds: int) -> Command[None]:
    """Note when a user logged in, in unix microseconds."""
    return Command(("SET", name, microseconds), lambda _: None, _nothing)


def last_login(name: str) -> Command[int | None]:
    """Read when a user logged in last; None where that was not noted, or is no number."""
    return Command(("GET", name), _number, _nothing)


def forget_login(name: str) -> Command[None]:
    """Forget when a user logged in."""
    return Command(("UNLINK", name), lambda _: None, _nothing)


def store_claim(name: str, stored: bytes, seconds: int) -> Command[None]:
    """Store what a claim stands for."""
    return Command(("SET", name, stored, "EX", seconds), lambda _: None, _nothing)


def take_claim(name: str) -> Command[bytes | None]:
    """Read what a claim stands for, and remove it."""
    return Command(("GETDEL", name), _as_is, _nothing)


def load(record: str) -> Command[Record | None]:
    """Read a record; None where there is none. Raises Unreadable for what is no record."""
    return Command(("HGETALL", record), Record.from_reply, _not_a_hash)


def peek(record: str) -> Command[Record | Unreadable | None]:
    """Read a record as load() does; what cannot be read is a value here."""
    return Command(("HGETALL", record), _peeked, lambda: Unreadable(_WRONG_TYPE))


def stored_digest(record: str) -> Command[bytes | None]:
    """Read the digest of a record only."""
    return Command(("HGET", record, b"\0k"), _as_is, _nothing)


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
    words = (digest, *life, *chain.from_iterable(fields.items()))
    return _script("create", record, words, bool, lambda: False)


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
    return _script("save", record, (digests, now, *life, *manner, *fields), _result, _gone)


def renew(record: str, digests: bytes, fields: Mapping[bytes, tuple[bytes, bytes]]) -> Command[int]:
    """Replace values, given as (as read, as signed anew), that nobody has written since."""
    words = (digests, *chain.from_iterable((name, *pair) for name, pair in fields.items()))
    return _script("renew", record, words, int, lambda: 0)


def rotate(
    record: str,
    digests: bytes,
    new_digest: bytes,
    now: int,
    reason: Reason = Reason.LOGIN,
    writer: str = "",
) -> Command[Result]:
    """Give a record a new digest."""
    words = (digests, new_digest, now, reason.value, writer)
    return _script("rotate", record, words, _result, _gone)


def end(
    record: str, digests: bytes, reason: Reason = Reason.LOGOUT, writer: str = ""
) -> Command[Ended]:
    """Remove a record."""
    words = (digests, reason.value, writer)
    return _script("end", record, words, _ended, lambda: Ended(Outcome.GONE))


def revoke(record: str, reason: Reason, users: Iterable[bytes]) -> Command[bool]:
    """Remove a record that holds one of ``users``, signed; of whomever, where none is given."""
    return _script("revoke", record, (reason.value, *users), bool, lambda: False)


def facts(record: str) -> Command[Facts | None]:
    """Read what is told of a session to its user; None where there is none that can be read."""
    return Command(("HMGET", record, *Facts.FIELDS), Facts.from_reply, _nothing)


def touch(
    record: str, digests: bytes, now: int, *, idle: int, absolute_age: int, interval: int
) -> Command[Result]:
    """Renew a record's expiry where that gains ``interval`` seconds at least."""
    words = (digests, now, idle, absolute_age, interval)
    return _script("touch", record, words, _result, _gone)


def inspect(record: str) -> Command[Inspection | None]:
    """Read what can be told of a record, readable or not; None where there is none."""
    unreadable = Inspection(Unreadable(_WRONG_TYPE), {})
    return Command(("HGETALL", record), Inspection.from_reply, lambda: unreadable)


def stored_user(record: str) -> Command[bytes | None]:
    """Read whose record it is, signed; None where nobody is logged in, or there is none."""
    return Command(("HGET", record, b"_auth_user_id"), _as_is, _nothing)


def ttl(record: str) -> Command[int]:
    """Read for how many seconds the server keeps a key; -1: for ever, -2: there is none."""
    return Command(("TTL", record), int, lambda: -2)


def memory(key: str, samples: int = 0) -> Command[int | None]:
    """Read how many bytes a key takes in the server; None where there is none.

    ``samples`` is how many of its values are measured; 0: all, which takes as long as reading it.
    """
    return Command(("MEMORY", "USAGE", key, "SAMPLES", samples), _as_is, _nothing)


def encoding(key: str) -> Command[str | None]:
    """Read how the server holds a key: listpack, hashtable and so on; None where there is none."""
    return Command(("OBJECT", "ENCODING", key), _word, _nothing)


def scan(cursor: int, pattern: str, count: int) -> Command[tuple[int, list[str]]]:
    """Look at about ``count`` keys of the server, from a cursor, at first 0, and name some.

    Returns the next cursor, 0 at the end, and the keys that match and are UTF-8.
    """
    words = ("SCAN", cursor, "MATCH", pattern, "COUNT", count)
    return Command(words, _scanned, lambda: (0, []))


def eviction_policy() -> Command[str | None]:
    """Read the server's maxmemory-policy; None where it does not tell."""
    return Command(("INFO", "memory"), _policy, _nothing)


def _script(
    name: str,
    record: str,
    words: tuple[Any, ...],
    parse: Callable[[Any], T],
    wrong_type: Callable[[], T],
) -> Command[T]:
    return Command((1, record, *words), parse, wrong_type, scripts.load(name))


def _or_empty(number: int | str | None) -> int | str:
    return "" if number is None else number


def _as_is(reply: Any) -> Any:
    return reply


def _number(reply: bytes | None) -> int | None:
    return int(reply) if reply is not None and _MICROSECONDS.fullmatch(reply) else None


def _result(reply: list[int]) -> Result:
    return Result(Outcome(reply[0]), *reply[1:])


def _ended(reply: list[Any]) -> Ended:
    return Ended(Outcome(reply[0]), *reply[1:])


def _policy(reply: bytes) -> str | None:
    lines = dict(line.partition(b":")[::2] for line in reply.splitlines())
    policy = lines.get(b"maxmemory_policy")
    return None if policy is None else policy.decode()


def _word(reply: bytes | None) -> str | None:
    return None if reply is None else reply.decode()


def _scanned(reply: Any) -> tuple[int, list[str]]:
    cursor, keys = reply
    texts = [_utf8(key) for key in keys]
    return int(cursor), [text for text in texts if text is not None]


def _utf8(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _nothing() -> None:
    return None


def _gone() -> Result:
    return Result(Outcome.GONE)


def _not_a_hash() -> Record | None:
    raise Unreadable(_WRONG_TYPE)


def _peeked(reply: Any) -> Record | Unreadable | None:
    try:
        return Record.from_reply(reply)
    except Unreadable as reason:
        return reason
