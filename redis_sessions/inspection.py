"""What can be told of a session's hash, but no data: names, sizes, times. No I/O, no settings."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .codec import is_sealed
from .record import Record, Unreadable


class Kind(StrEnum):
    """What a record is."""

    LOGGED_IN = "logged_in"
    ANONYMOUS = "anonymous"
    EMPTY = "empty"  # holds no data
    EXPIRED = "expired"  # over ABSOLUTE_AGE, or about to be removed by the server
    UNREADABLE = "unreadable"  # no record, or not signed under a SECRET_KEY of this site


@dataclass(slots=True)
class Inspection:
    """A session's hash as it was found, whether or not it can be read."""

    record: Record | Unreadable
    sizes: Mapping[bytes, int]  # bytes of each value as stored, by field, meta fields too
    seen: int | None = None  # unix seconds
    login: int | None = None  # unix microseconds
    sealed: Set[bytes] = frozenset()  # fields that only the session key opens

    @classmethod
    def from_reply(cls, reply: Any) -> "Inspection | None":
        """Read the reply to HGETALL; None where there is no hash."""
        fields = reply if isinstance(reply, dict) else dict(zip(*[iter(reply)] * 2, strict=True))
        sizes = {name: len(stored) for name, stored in fields.items()}
        sealed = {name for name, stored in fields.items() if is_sealed(stored)}
        seen, login = _number(fields.get(b"\0s")), _number(fields.get(b"\0l"))
        try:
            record = Record.from_reply(fields)
        except Unreadable as reason:
            return cls(reason, sizes)
        return None if record is None else cls(record, sizes, seen, login, sealed)


def _number(text: bytes | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) <= 18 else None
