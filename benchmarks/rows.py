"""What is measured, row by row of the tables, and how often. No processes, no figures."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

from .engines import CLIENT, ENCRYPTED, ENGINES, FLOOR, OURS

OPERATIONS = ("nothing", "read", "save", "create", "login", "logout")
COMMAND = "command"  # alone, beside redis-py's
SESSIONS = {"LOGIN": "a login alone", "LOGGED_IN": "a login and a basket"}
COUNTS = (("sync", 1, 400), ("async", 1, 100), ("async", 50, 200))  # half, tasks, operations
MANY = 500  # tasks, once each
SIZES = {4: "4 KB", 64: "64 KB"}  # of a session with one large value
SMALL_SAVE = "save of one small key"

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
    FAULTY = auto()  # another one, with a server and a faulty way to it of its own


class Effort(NamedTuple):
    """How much is measured: rounds, what multiplies the operations of a round, and what is slow."""

    rounds: int
    scale: float
    opened: int  # sockets at a time, where their memory is measured
    opened_rounds: int
    logouts: int
    many: tuple[str, ...]  # operations in MANY tasks
    many_rounds: int
    servers: tuple[str, ...]
    served: int  # requests to a server
    served_rounds: int


DEFAULT = Effort(
    rounds=11,
    scale=0.4,
    opened=3_000,
    opened_rounds=5,
    logouts=200,
    many=OPERATIONS,
    many_rounds=5,
    servers=("uvicorn", "gunicorn"),
    served=400,
    served_rounds=5,
)
QUICK = Effort(
    rounds=2,
    scale=0.2,
    opened=1_000,
    opened_rounds=1,
    logouts=20,
    many=("read",),
    many_rounds=1,
    servers=("uvicorn",),
    served=100,
    served_rounds=1,
)


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


def rows(effort: Effort = DEFAULT, others: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows of sessions, with ``others`` beside the pair, and those of sockets."""
    timed = [
        _operation(name, half, tasks, round(count * effort.scale), others)
        for half, tasks, count in COUNTS
        for name in (*OPERATIONS, COMMAND)
    ]
    many = [_operation(name, "async", MANY, MANY, (), effort.many_rounds) for name in effort.many]
    stored = tuple(name for name in others if ENGINES[name].in_redis)
    memory = [_memory(name, holds, stored) for holds, name in SESSIONS.items()]
    sizes = [row for size in SIZES for row in _sizes(size, effort)]
    return [*timed, *many, *sizes, *memory, *_sockets(effort)]


def _operation(
    name: str,
    half: str,
    tasks: int,
    count: int,
    others: tuple[str, ...],
    rounds: int | None = None,
) -> Row:
    group = half if half == "sync" else f"{half}, {_tasks(tasks)}"
    words = {"measure": "operation", "name": name, "half": half, "tasks": tasks, "count": count}
    return Row(group, name, words, rounds, engines=_engines(name, half, others))


def _engines(name: str, half: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """Return who does an operation."""
    if name == COMMAND:
        return (OURS.name, CLIENT.name)
    floor = (FLOOR.name,) if name == "read" else ()
    sealed = (ENCRYPTED.name,) if half == "sync" and name != "nothing" else ()
    return (*floor, *PAIR, *(others if name != "nothing" else ()), *sealed)


def _sizes(size: int, effort: Effort) -> list[Row]:
    """Return the row of a save in a large session: what it costs, and once what it sends."""
    save = {"measure": "operation", "name": "save", "half": "sync", "tasks": 1, "kilobytes": size}
    group, count = f"sync, {SIZES[size]} in one value", round(100 * effort.scale)
    return [
        Row(group, SMALL_SAVE, save | {"count": count}),
        Row(group, SMALL_SAVE, save | {"count": 20}, 1, place=Place.COUNTED),
    ]


def _tasks(number: int) -> str:
    return f"{number} task{'s' if number > 1 else ''}"


def _memory(name: str, holds: str, stored: tuple[str, ...]) -> Row:
    request = {"measure": "memory", "holds": holds, "count": 100}
    return Row("memory", name, request, rounds=1, engines=(*PAIR, *stored, ENCRYPTED.name))


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
    resident, opened = {"measure": "resident", "count": effort.opened}, f"{effort.opened:,} open"
    logout = {"measure": "logout", "count": effort.logouts}
    return [
        *timed,
        *counted,
        Row("sockets", opened, resident, effort.opened_rounds, engines=ALL, **slow),
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
