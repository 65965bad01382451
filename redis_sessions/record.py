"""The record: what one session's hash in Redis holds, and what it is worth. No I/O, no settings.

Meta fields begin with NUL. All other fields are top-level session keys with signed values.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar

from . import codec
from .tokens import DIGEST_SIZE, among

_NUMBER = re.compile(rb"-?[0-9]{1,18}")  # what the server can count with

SUPERSEDED_FOR = 10  # seconds: requests that were under way while a login rotated the secret


class Unreadable(ValueError):
    """There is something under this session's key, but no session that can be trusted."""


class Standing(Enum):
    """What the secret that was presented is to a record."""

    CURRENT = auto()
    SUPERSEDED = auto()
    WRONG = auto()


@dataclass(slots=True)  # not frozen: that would triple what it costs to make one
class Record:
    """A session's hash, split into its meta fields and its data (still signed)."""

    digest: bytes
    created: int  # unix seconds, as all times here
    version: int
    expiry: int
    idle: int | None  # seconds; None: the site's cookie age, 0: the expiry is fixed
    previous: bytes  # the digest before the last rotation and, behind it, when that was
    fields: dict[bytes, bytes]
    device: bytes = b""  # see devices
    wrapped: bytes = b""  # see encryption

    @classmethod
    def from_reply(cls, reply: Any) -> "Record | None":
        """Read the reply to HGETALL; None where there is no hash. Raises Unreadable."""
        if not reply:
            return None
        meta: dict[bytes, bytes] = {}
        fields: dict[bytes, bytes] = {}
        words = iter(reply)
        pairs = reply.items() if isinstance(reply, dict) else zip(words, words, strict=True)
        for name, stored in pairs:
            (meta if name[:1] == b"\0" else fields)[name] = stored
        idle = meta.get(b"\0i")
        try:
            return cls(
                meta[b"\0k"],
                _number(meta[b"\0c"]),
                _number(meta[b"\0v"]),
                _number(meta[b"\0x"]),
                None if idle is None else _number(idle),
                meta.get(b"\0p", b""),
                fields,
                meta.get(b"\0d", b""),
                meta.get(codec.WRAPPED, b""),
            )
        except KeyError as error:
            raise Unreadable(f"the field {error} is missing") from None
        except ValueError:
            raise Unreadable("a meta field is not a number") from None

    def standing(self, digests: Sequence[bytes], now: int) -> Standing:
        """Tell what a secret is, given its digests under every key; compares in constant time."""
        if among(self.digest, digests):
            return Standing.CURRENT
        rotated = _NUMBER.fullmatch(self.previous, DIGEST_SIZE)
        recent = rotated is not None and now < int(rotated.group()) + SUPERSEDED_FOR
        if recent and among(self.previous[:DIGEST_SIZE], digests):
            return Standing.SUPERSEDED
        return Standing.WRONG

    def unseal(
        self, session_id: str, keys: Sequence[bytes]
    ) -> tuple[dict[str, bytes], dict[bytes, bytes]]:
        """Return the payloads by key, and the fields that an old signing key had signed as stored.

        Raises Unreadable where one signature fails: then nothing of the session is used.
        """
        try:
            return codec.unseal_all(session_id, self.fields, keys)
        except ValueError as error:
            raise Unreadable(str(error)) from None


@dataclass(slots=True)
class Facts:
    """What a list of sessions tells of one; times are unix seconds, ``login`` microseconds."""

    created: int
    expiry: int
    seen: int  # when it was last written or touched
    login: int  # when somebody logged in; by the server's clock
    device: bytes
    user: bytes  # the field of this name, as stored, as the next
    auth_hash: bytes

    FIELDS: ClassVar = (
        b"\0c", b"\0x", b"\0s", b"\0l", b"\0d", b"_auth_user_id", b"_auth_user_hash"
    )  # fmt: skip

    @classmethod
    def from_reply(cls, reply: Sequence[bytes | None]) -> "Facts | None":
        """Read the reply to HMGET; None where nobody is logged in, or a number is none."""
        created, expiry, seen, login, device, user, auth_hash = reply
        if created is None or expiry is None or user is None:
            return None
        try:
            began = _number(created)
            at = began * 1_000_000 if login is None else _number(login)
            since = began if seen is None else _number(seen)
            times = (began, _number(expiry), since, at)
        except ValueError:
            return None
        return cls(*times, device or b"", user, auth_hash or b"")


def _number(text: bytes) -> int:
    if text.isdigit() and len(text) < 19:  # all that this package writes
        return int(text)
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)
