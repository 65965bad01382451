"""What is measured, row by row of the tables, and how often. No processes, no figures."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

OPERATIONS = ("nothing", "read", "save", "create", "login", "logout")
SESSIONS = {"LOGIN": "a login alone", "LOGGED_IN": "a login and a basket"}
COUNTS = (("sync", 1, 400), ("async", 1, 100), ("async", 50, 200))  # half, tasks, operations

FRAMES = {"read": "reads", "anew_read": "reads what is stored now"}
FRAMES |= {"write": "writes", "anew_write": "writes to what is stored now"}
PROMISES = {
    "seen": "the next frame sees what others wrote",
    "kept": "a frame that writes keeps what others wrote",
}
AT_ONCE = ((1, 200), (50, 400))  # sockets, connects or frames

PAIR = ("ours", "cache")
ALL = ("bare", *PAIR)


class Place(Enum):
    """The process in which an engine measures a row."""

    KEPT = auto()  # one for the whole run
    COUNTED = auto()  # another one, which counts round trips
    FRESH = auto()  # one for this row alone


class Effort(NamedTuple):
    """How much is measured: rounds, what multiplies the operations of a round, and what is slow."""

    rounds: int
    scale: float
    opened: int  # sockets at a time, where their memory is measured
    opened_rounds: int
    logouts: int


DEFAULT = Effort(rounds=15, scale=0.6, opened=3_000, opened_rounds=5, logouts=200)
QUICK = Effort(rounds=5, scale=0.2, opened=1_000, opened_rounds=1, logouts=20)


@dataclass(frozen=True)
class Row:
    """One thing to measure. ``request`` is what a worker is asked, in ``rounds`` rounds at most."""

    group: str
    name: str
    request: dict[str, Any]
    rounds: int | None = None
    part: str = "sessions"
    engines: tuple[str, ...] = PAIR
    place: Place = Place.KEPT

    @property
    def label(self) -> str:
        """Return the words by which a row is chosen."""
        return f"{self.group} {self.name}"

    def is_due(self, number: int) -> bool:
        """Tell whether the round of that number, from 1, measures it."""
        return self.rounds is None or number <= self.rounds

    def warm_up(self) -> dict[str, Any]:
        """Return a smaller request, whose answer is worth nothing."""
        fewer = {key: min(number, 20) for key, number in self.request.items() if key == "count"}
        return self.request | fewer


def rows(effort: Effort = DEFAULT) -> list[Row]:
    """Return all rows."""
    timed = [
        _operation(name, half, tasks, round(count * effort.scale))
        for half, tasks, count in COUNTS
        for name in OPERATIONS
    ]
    return timed + [_memory(name, holds) for holds, name in SESSIONS.items()] + _sockets(effort)


def _operation(name: str, half: str, tasks: int, count: int) -> Row:
    group = half if half == "sync" else f"{half}, {_tasks(tasks)}"
    words = {"measure": "operation", "name": name, "half": half, "tasks": tasks, "count": count}
    return Row(group, name, words)


def _tasks(number: int) -> str:
    return f"{number} task{'s' if number > 1 else ''}"


def _memory(name: str, holds: str) -> Row:
    return Row("memory", name, {"measure": "memory", "holds": holds, "count": 100}, rounds=1)


def _sockets(effort: Effort) -> list[Row]:
    timed = [
        _socket(f"sockets, {_tasks(tasks)}", name, request, tasks, round(count * effort.scale))
        for tasks, count in AT_ONCE
        for name, request in _events()
    ]
    counted = [
        _socket("sockets", name, request, 1, 20, engines=PAIR, place=Place.COUNTED, rounds=1)
        for name, request in _events()
    ]
    slow = {"part": "sockets", "place": Place.FRESH}
    resident = {"measure": "resident", "count": effort.opened}
    logout = {"measure": "logout", "count": effort.logouts}
    return [
        *timed,
        *counted,
        Row(
            "sockets",
            f"{effort.opened:,} open",
            resident,
            effort.opened_rounds,
            engines=ALL,
            **slow,
        ),
        Row("sockets", "logout", logout, 1, **slow),
        *(_promise(name, says) for name, says in PROMISES.items()),
    ]


def _events() -> list[tuple[str, dict[str, Any]]]:
    frames = [
        (f"frame that {what}", {"measure": "frame", "name": name}) for name, what in FRAMES.items()
    ]
    return [
        ("connect", {"measure": "connect", "user": False}),
        ("connect, with its user", {"measure": "connect", "user": True}),
        *frames,
    ]


def _socket(
    group: str, name: str, request: dict[str, Any], tasks: int, count: int, **more: Any
) -> Row:
    words = request | {"tasks": tasks, "count": count}
    return Row(group, name, words, **({"part": "sockets", "engines": ALL} | more))


def _promise(name: str, says: str) -> Row:
    words = {"measure": "promise", "name": name}
    return Row("sockets", says, words, 1, part="sockets")
