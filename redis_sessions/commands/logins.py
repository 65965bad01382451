"""Commands on the time of a user's last login."""

import re

from . import Command, nothing

_MICROSECONDS = re.compile(rb"[0-9]{1,17}")  # a datetime holds no more


def key(prefix: str, user_id: str) -> str:
    """Return the key of a user's last login."""
    return f"{prefix}:login:{{{user_id}}}"


def note(name: str, microseconds: int) -> Command[None]:
    """Note when a user logged in, in unix microseconds."""
    return Command(("SET", name, microseconds), lambda _: None, nothing)


def last(name: str) -> Command[int | None]:
    """Read when a user logged in last; None where that was not noted, or is no number."""
    return Command(("GET", name), _number, nothing)


def forget(name: str) -> Command[None]:
    """Forget when a user logged in."""
    return Command(("UNLINK", name), lambda _: None, nothing)


def _number(reply: bytes | None) -> int | None:
    return int(reply) if reply is not None and _MICROSECONDS.fullmatch(reply) else None
