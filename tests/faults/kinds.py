"""The faults, by name."""

from collections.abc import Collection
from dataclasses import dataclass

_GREETINGS = frozenset({b"HELLO", b"AUTH", b"SELECT", b"CLIENT"})  # no matter what state it is in
_READS = frozenset(
    {b"GET", b"HGET", b"HMGET", b"HGETALL", b"ZRANGE", b"ZCARD", b"ZSCORE", b"ZSCAN", b"SCAN"}
    | {b"TTL", b"MEMORY", b"OBJECT", b"INFO", b"PING", b"PUBSUB", b"SUBSCRIBE", b"UNSUBSCRIBE"}
)
_NO_SCRIPTS = _GREETINGS | _READS | {b"EVAL", b"SET", b"GETDEL", b"UNLINK", b"ZREM"}


@dataclass(frozen=True)
class Fault:
    """``kind`` is what happens; the other fields belong to some kinds only.

    "reset": the connection, with ``part`` of the reply sent before. "swallow": nothing is ever
    answered, on connections that swallowed once no more at all. "delay": each reply comes
    ``seconds`` late. "drip": a byte each ``seconds``. "refuse": nobody listens, and what is open is
    reset. "answer": ``reply`` to each command but those whose first word is one of ``but``.
    "full": ``reply`` to who connects, and the end.
    """

    kind: str
    part: float = 0.0
    seconds: float = 0.0
    reply: bytes = b""
    but: Collection[bytes] = _GREETINGS

    def kept(self, size: int) -> int:
        """Return how many bytes of a reply arrive."""
        return size if self.part == 1 else min(size - 1, int(size * self.part))

    def spares(self, words: list[bytes]) -> bool:
        """Tell whether a command goes to the server nevertheless."""
        return words[0].upper() in self.but


def _answer(text: str, but: Collection[bytes] = _GREETINGS) -> Fault:
    return Fault("answer", reply=f"-{text}\r\n".encode(), but=but)


FAULTS = {
    "reset before": Fault("reset"),
    "reset within": Fault("reset", part=0.5),
    "reset after": Fault("reset", part=1.0),
    "black hole": Fault("swallow"),
    "latency 50 ms": Fault("delay", seconds=0.05),
    "latency 2 s": Fault("delay", seconds=2.0),
    "byte by byte": Fault("drip", seconds=0.0005),
    "drip": Fault("drip", seconds=0.05),
    "refused": Fault("refuse"),
    "max clients": Fault("full", reply=b"-ERR max number of clients reached\r\n"),
    "LOADING": _answer("LOADING Redis is loading the dataset in memory"),
    "BUSY": _answer("BUSY Redis is busy running a script. You can only call SCRIPT KILL."),
    "MASTERDOWN": _answer("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is no"),
    "CLUSTERDOWN": _answer("CLUSTERDOWN The cluster is down"),
    "TRYAGAIN": _answer("TRYAGAIN Multiple keys request during rehashing of slot"),
    "MOVED": _answer("MOVED 1234 127.0.0.1:7001"),
    "NOAUTH": _answer("NOAUTH Authentication required.", but=()),
    "WRONGPASS": _answer("WRONGPASS invalid username-password pair or user is disabled.", but=()),
    "NOPERM": _answer("NOPERM User web has no permissions to run the 'evalsha' command"),
    "READONLY": _answer(
        "READONLY You can't write against a read only replica.", but=_GREETINGS | _READS
    ),
    "OOM": _answer(
        "OOM command not allowed when used memory > 'maxmemory'.", but=_GREETINGS | _READS
    ),
    "NOSCRIPT": _answer("NOSCRIPT No matching script. Please use EVAL.", but=_NO_SCRIPTS),
}
