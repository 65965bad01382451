"""What is to be expected of each fault: the rows of the table in docs/failure.rst.

Some are met once and are over then: nobody is to notice those.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Whether each goes on as usual; else HTTP answers 503, and a socket is closed or waits."""

    fault: str
    read: bool
    write: bool
    times: int | None = None
    only_threads: bool = False

    def __str__(self) -> str:
        return f"{self.fault}, {self.times} times" if self.times else self.fault


def _unseen(fault: str, times: int | None = None) -> Row:
    return Row(fault, read=True, write=True, times=times)


_RESETS = ("reset before", "reset within", "reset after")
_SERVES_NOBODY = (
    *("black hole", "latency 2 s", "drip", "refused", "max clients", "LOADING", "BUSY"),
    *("MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "NOAUTH", "WRONGPASS", "NOPERM"),
)
_PASSING = ("max clients", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY")

# These need no proxy: see test_servers.py and test_breakers.py.
OTHERS = [
    _unseen("restart", times=1),
    _unseen("idle connections closed"),
    Row("full pool", read=False, write=False, only_threads=True),
]
ROWS = [
    *(_unseen(name, times=1) for name in (*_RESETS, *_PASSING)),
    *(_unseen(name) for name in ("latency 50 ms", "byte by byte", "NOSCRIPT")),
    *(Row(name, read=False, write=False) for name in (*_RESETS[:2], *_SERVES_NOBODY)),
    *(Row(name, read=True, write=False) for name in ("READONLY", "OOM")),
]
