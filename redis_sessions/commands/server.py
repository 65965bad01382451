"""Commands that ask the server: which keys it holds, and how; how it is set."""

from typing import Any, NamedTuple

from ..exceptions import NotReplicated
from . import Command, as_is, nothing


def ttl(record: str) -> Command[int]:
    """Read for how many seconds the server keeps a key; -1: for ever, -2: there is none."""
    return Command(("TTL", record), int, lambda: -2)


def memory(key: str, samples: int = 0) -> Command[int | None]:
    """Read how many bytes a key takes in the server; None where there is none.

    ``samples`` is how many of its values are measured; 0: all, which takes as long as reading it.
    """
    return Command(("MEMORY", "USAGE", key, "SAMPLES", samples), as_is, nothing)


def encoding(key: str) -> Command[str | None]:
    """Read how the server holds a key: listpack, hashtable and so on; None where there is none."""
    return Command(("OBJECT", "ENCODING", key), _word, nothing)


def scan(cursor: int, pattern: str, count: int) -> Command[tuple[int, list[str]]]:
    """Look at about ``count`` keys of the server, from a cursor, at first 0, and name some.

    Returns the next cursor, 0 at the end, and the keys that match and are UTF-8.
    """
    words = ("SCAN", cursor, "MATCH", pattern, "COUNT", count)
    return Command(words, _scanned, lambda: (0, []))


def eviction_policy() -> Command[str | None]:
    """Read the server's maxmemory-policy; None where it does not tell.

    Of several servers, one that may evict.
    """
    return Command(("INFO", "memory"), _policy, nothing)


class Standing(NamedTuple):
    """What a server is among others; None where it does not tell."""

    mode: str | None  # standalone, cluster, sentinel
    role: str | None  # master, slave
    replicas: int | None


def standing() -> Command[Standing]:
    """Read what a single server says that it is."""
    return Command(("INFO",), _standing, lambda: Standing(None, None, None))


def replicated(replicas: int, milliseconds: int) -> Command[None]:
    """Wait until so many have what this connection wrote before. Raises NotReplicated."""

    def confirmed(number: int) -> None:
        if number < replicas:
            raise NotReplicated(
                f"A session was written, but {number} of {replicas} replicas confirmed it within"
                f" {milliseconds} ms."
            )

    return Command(("WAIT", replicas, milliseconds), confirmed, nothing)


def trace(written: Command[Any]) -> Command[None]:
    """Write a key beside a record, for a moment: who has it, has all that was written before."""
    return Command(("SET", f"{written.words[3]}:again", 1, "PX", 1), lambda _: None, nothing)


def _policy(reply: bytes) -> str | None:
    lines = (line.partition(b":")[::2] for line in reply.splitlines())
    policies = {value.decode() for name, value in lines if name == b"maxmemory_policy"}
    return max(policies, key="noeviction".__ne__, default=None)


def _standing(reply: bytes) -> Standing:
    told = dict(line.decode(errors="replace").partition(":")[::2] for line in reply.splitlines())
    replicas = told.get("connected_slaves", "")
    mode = told.get("redis_mode") or told.get("server_mode")  # Valkey has another name for it
    return Standing(mode, told.get("role"), int(replicas) if replicas.isdecimal() else None)


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
