"""What a key of a session may hold: decided by who wrote when, and who has read what. No I/O.

Times are those of one clock. A write whose answer was lost may have happened or not, and may yet
happen until it is ``over``; all that is known of the others lies between their begin and their end.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any


@dataclass(eq=False)
class Write:
    """One write. No two writes are of the same value, but for what does not change."""

    value: Any
    began: float
    over: float = inf  # it cannot happen any more
    known: float = inf  # it has happened

    def acknowledged(self, at: float) -> None:
        """Note the answer that says that it happened."""
        self.over, self.known = at, min(self.known, at)

    def given_up(self, at: float) -> None:
        """Note that no answer will come, and until when it may happen."""
        self.over = at


@dataclass(eq=False)
class Register:
    """All writes of one key."""

    writes: list[Write] = field(default_factory=list)

    def begin(self, value: Any, at: float) -> Write:
        """Note that a write begins."""
        self.writes.append(Write(value, at))
        return self.writes[-1]

    def complaint(self, value: Any, began: float, ended: float) -> str:
        """Return what is wrong with a value that was read in this time; empty where it may be."""
        found = self._find(value)
        if found is None:
            return f"{value!r} was never written"
        lost = [write for write in self.writes if write.began > found.over and write.known < began]
        if lost:
            return f"{value!r} was read, {lost[-1].value!r} was acknowledged before"
        found.known = min(found.known, ended)
        self._forget(began)
        return ""

    def _find(self, value: Any) -> Write | None:
        if value is None:  # before all writes
            return Write(None, -inf, -inf)
        return next((write for write in reversed(self.writes) if write.value == value), None)

    def _forget(self, now: float, keep: float = 60.0) -> None:
        """Leave out writes that were superseded long ago: to read one is wrong with or without."""
        if len(self.writes) < 200:
            return
        known = [write for write in self.writes if write.known < now - keep]
        if known:
            latest = max(known, key=lambda write: write.began)
            self.writes = [write for write in self.writes if write.over >= latest.began]
