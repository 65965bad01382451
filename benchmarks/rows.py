"""What is measured, row by row of the tables, and how often. No processes, no figures."""

from dataclasses import dataclass
from typing import Any

OPERATIONS = ("nothing", "read", "save", "create", "login", "logout")
SESSIONS = {"LOGIN": "a login alone", "LOGGED_IN": "a login and a basket"}
COUNTS = (("sync", 1, 400), ("async", 1, 100), ("async", 50, 200))  # half, tasks, operations


@dataclass(frozen=True)
class Row:
    """One thing to measure. ``request`` is what a worker is asked; once, unless it is ``timed``."""

    group: str
    name: str
    request: dict[str, Any]
    timed: bool = True

    @property
    def label(self) -> str:
        """Return the words by which a row is chosen."""
        return f"{self.group} {self.name}"

    def warm_up(self) -> dict[str, Any]:
        """Return a smaller request, whose answer is worth nothing."""
        return self.request | {"count": min(self.request["count"], 20)}


def rows(scale: float = 1) -> list[Row]:
    """Return all rows; ``scale`` multiplies how often an operation is run in a round."""
    timed = [
        _operation(name, half, tasks, round(count * scale))
        for half, tasks, count in COUNTS
        for name in OPERATIONS
    ]
    return timed + [_memory(name, holds) for holds, name in SESSIONS.items()]


def _operation(name: str, half: str, tasks: int, count: int) -> Row:
    group = half if half == "sync" else f"{half}, {tasks} task{'s' if tasks > 1 else ''}"
    words = {"measure": "operation", "name": name, "half": half, "tasks": tasks, "count": count}
    return Row(group, name, words)


def _memory(name: str, holds: str) -> Row:
    return Row("memory", name, {"measure": "memory", "holds": holds, "count": 100}, timed=False)
