"""The index of a user's sessions: a sorted set of ids, scored by when each expires, or later.

It is written before the record, and never says that a session is there: the record does.
"""

from typing import Any

from . import Command, nothing, scripted

STEP = 600  # seconds: scores are rounded up to this, so that few saves have to write one


def key(prefix: str, user_id: str) -> str:
    """Return the key of a user's index."""
    return f"{prefix}:user:{{{user_id}}}"


def pattern(prefix: str) -> str:
    """Return what the keys of all indexes match."""
    return _escaped(f"{prefix}:user:{{") + "*}"


def user_of(prefix: str, name: str) -> str | None:
    """Return the user whose index has this key; None if it is none of an index."""
    between = name[len(key(prefix, "")) - 1 : -1]
    return between if name == key(prefix, between) else None


def any_pattern(prefix: str) -> str:
    """Return what the keys of all records and indexes match, and others."""
    return _escaped(f"{prefix}:") + "*"


def score(expiry: int) -> int:
    """Return the score of a session that expires then."""
    return -(-expiry // STEP) * STEP


def enlist(index: str, session_id: str, score: int, now: int) -> Command[int]:
    """Note a session, drop what has expired, and return how many the index names."""
    return scripted("enlist", (index, session_id, score, now), int, lambda: 0)


def fade(index: str, session_id: str, when: int) -> Command[int]:
    """Forget a session at a time, unless it is noted anew before."""
    return scripted("fade", (index, session_id, when), int, lambda: 0)


def card(index: str) -> Command[int]:
    """Return how many sessions the index names."""
    return Command(("ZCARD", index), int, lambda: 0)


def delist(index: str, *session_ids: str) -> Command[int]:
    """Forget sessions."""
    return Command(("ZREM", index, *session_ids), int, lambda: 0)


def members(index: str, now: int, offset: int, limit: int) -> Command[list[str]]:
    """Read a page of ids, those first that expire last."""
    words = ("ZRANGE", index, "+inf", f"({now}", "BYSCORE", "REV", "LIMIT", offset, limit)
    return Command(words, lambda reply: [_text(member) for member in reply], list)


def scan(index: str, cursor: int, count: int) -> Command[tuple[int, list[str]]]:
    """Read about ``count`` ids, from a cursor, at first 0; before them the next cursor, or 0."""
    return Command(("ZSCAN", index, cursor, "COUNT", count), _scanned, lambda: (0, []))


def names(index: str, session_id: str) -> Command[bool]:
    """Tell whether the index names a session."""
    return Command(("ZSCORE", index, session_id), lambda reply: reply is not None, lambda: False)


def prune(index: str, now: int) -> Command[int]:
    """Forget the sessions whose time is over; return how many they were."""
    return Command(("ZREMRANGEBYSCORE", index, "-inf", now), int, lambda: 0)


def forget(index: str) -> Command[None]:
    """Forget all sessions."""
    return Command(("UNLINK", index), lambda _: None, nothing)


def _scanned(reply: Any) -> tuple[int, list[str]]:
    cursor, pairs = reply
    return int(cursor), [_text(member) for member in pairs[::2]]


def _text(member: bytes) -> str:
    return member.decode("ascii", "replace")


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
