"""Commands on claims."""

from . import Command, as_is, nothing


def key(prefix: str, digest: str) -> str:
    """Return the key of a claim."""
    return f"{prefix}:claim:{{{digest}}}"


def store(name: str, stored: bytes, seconds: int) -> Command[None]:
    """Store what a claim stands for."""
    return Command(("SET", name, stored, "EX", seconds), lambda _: None, nothing)


def take(name: str) -> Command[bytes | None]:
    """Read what a claim stands for, and remove it."""
    return Command(("GETDEL", name), as_is, nothing)
