"""Add up what was found of sessions, one by one, in a space that does not grow. No I/O."""

from collections import Counter
from typing import Any, NamedTuple

from .inspection import Kind

# Upper bounds of the classes of size, in bytes of the server's memory. The last class has none.
SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 262144, 1048576)
# What hash-max-listpack-value may be raised to. Above, reading a field takes noticeably longer.
LIMITS = (128, 256, 512, 1024)
FIELDS = 128  # the least hash-max-listpack-entries that servers come with
COMPACT = {"listpack", "ziplist"}


class Found(NamedTuple):
    """A record, in bytes."""

    kind: Kind
    memory: int  # in the server
    encoding: str
    content: int  # names and values of its fields
    longest: int  # of names and values
    fields: int


class _Gain:
    """Records that are no listpack, and would be with a higher limit."""

    def __init__(self) -> None:
        self.sessions = self.memory = self.content = 0

    def add(self, found: Found) -> None:
        self.sessions += 1
        self.memory += found.memory
        self.content += found.content


class Tally:
    """The sums."""

    def __init__(self) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.encodings: Counter[str] = Counter()
        self.memory = 0  # bytes of all records
        self.indexes = self.listed = self.index_memory = 0  # users, ids, bytes
        self.ghosts = 0  # ids in an index that no record of the user stands behind
        self.unlisted = 0  # logged-in sessions that their user's index does not name
        self._sizes: Counter[int | None] = Counter()
        self._overheads: Counter[int] = Counter()  # what a listpack takes beyond its content
        self._gains = {limit: _Gain() for limit in LIMITS}

    def add(self, found: Found) -> None:
        """Count a record."""
        self.kinds[found.kind] += 1
        self.encodings[found.encoding] += 1
        self.memory += found.memory
        self._sizes[next((size for size in SIZES if found.memory <= size), None)] += 1
        if found.encoding in COMPACT:
            self._overheads[found.memory - found.content] += 1
        elif found.fields <= FIELDS:
            for limit in LIMITS:
                if found.longest <= limit:
                    self._gains[limit].add(found)

    def report(self) -> dict[str, Any]:
        """Return the sums as JSON can hold them."""
        return {
            "sessions": {"total": self.kinds.total()} | {kind: self.kinds[kind] for kind in Kind},
            "memory": {"records": self.memory, "indexes": self.index_memory},
            "sizes": [{"up_to": size, "sessions": self._sizes[size]} for size in (*SIZES, None)],
            "encodings": dict(sorted(self.encodings.items())),
            "listpack_gains": [self._gain(limit) for limit in LIMITS],
            "indexes": {
                "users": self.indexes,
                "ids": self.listed,
                "ghosts": self.ghosts,
                "unlisted": self.unlisted,
            },
        }

    def _gain(self, limit: int) -> dict[str, int | None]:
        gain, overhead = self._gains[limit], self._overhead()
        estimate = None
        if overhead is not None:
            estimate = max(0, gain.memory - gain.content - gain.sessions * overhead)
        return {"hash_max_listpack_value": limit, "sessions": gain.sessions, "bytes": estimate}

    def _overhead(self) -> int | None:
        """Return the median of what a listpack takes beyond its content; None without any."""
        seen, middle = 0, self._overheads.total() / 2
        for overhead in sorted(self._overheads):
            seen += self._overheads[overhead]
            if seen >= middle:
                return overhead
        return None
