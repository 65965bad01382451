"""What the plots show: for each thing that grows, its panels, and the lines in them. No drawing."""

from typing import NamedTuple

from .growth import GROWTHS, Growth

OURS, CACHE = ("ours", "ours"), ("cache", "cache")
CHANNELS = ("cache", "channels.\nsessions")
CPU = "CPU of client and server, µs"
PROCESS_CPU = "CPU, µs"


class Line(NamedTuple):
    """A line: its label, whose figures it shows, and which; of several the sum."""

    label: str
    engine: str
    metrics: tuple[str, ...]


class Panel(NamedTuple):
    """A chart of a figure. ``log`` says whether its values are on a log scale, not from 0."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    log: bool = True


class Figure(NamedTuple):
    """A picture, in a file of that name."""

    file: str
    title: str
    growth: Growth
    axis: str
    panels: tuple[Panel, ...]


def _cpu(name: str, title: str, *, log: bool = True, alone: bool = False) -> Panel:
    metrics = (f"{name}_cpu", f"{name}_server")
    engines = (OURS,) if alone else (OURS, CACHE)
    lines = tuple(Line(label, engine, metrics) for engine, label in engines)
    return Panel(title, CPU, lines, log)


def _one(
    metric: str,
    title: str,
    unit: str,
    rival: tuple[str, str] = CACHE,
    *,
    log: bool = True,
) -> Panel:
    lines = tuple(Line(label, engine, (metric,)) for engine, label in (OURS, rival))
    return Panel(title, unit, lines, log)


_BY_NAME = {growth.name: growth for growth in GROWTHS}

FIGURES = (
    Figure(
        "growth-payload.svg",
        "Cost by the size of a session",
        _BY_NAME["payload"],
        "size of the session as JSON",
        (
            _cpu("read", "Read of small keys"),
            _cpu("whole", "Read of all keys"),
            _cpu("save", "Save of a small key, with its read"),
            _one("read_received", "Received by a read", "bytes"),
            _one("save_sent", "Sent by a save", "bytes"),
            _one("bytes", "Memory in the server", "bytes a session"),
        ),
    ),
    Figure(
        "growth-tasks.svg",
        "Cost by the number of tasks at once",
        _BY_NAME["tasks at once"],
        "tasks at once",
        (
            _one("read_cpu", "Async read", PROCESS_CPU),
            _one("save_cpu", "Async save, with its read", PROCESS_CPU),
        ),
    ),
    Figure(
        "growth-sockets.svg",
        "Cost by the number of open sockets",
        _BY_NAME["open sockets"],
        "open sockets",
        (
            _one("resident", "Memory of the session of one more", "bytes", CHANNELS, log=False),
            _one("frame", "A frame that writes", PROCESS_CPU, CHANNELS, log=False),
            _one("change", "A change elsewhere, until read", PROCESS_CPU, CHANNELS, log=False),
        ),
    ),
    Figure(
        "growth-stored.svg",
        "Cost by the number of stored sessions",
        _BY_NAME["stored sessions"],
        "stored sessions",
        (
            _cpu("read", "Read", log=False),
            _cpu("save", "Save, with its read", log=False),
            _cpu("login", "Login, with its read", log=False),
            _cpu("list", "List of the three sessions of a user", log=False, alone=True),
        ),
    ),
    Figure(
        "growth-user.svg",
        "Cost by the number of sessions of one user",
        _BY_NAME["sessions of one user"],
        "sessions of the user",
        (
            _cpu("login", "Login, with its read", log=False),
            _cpu("save", "Save, with its read", log=False),
            _cpu("list", "List of the first 100", alone=True),
            Panel(
                "All of them",
                CPU,
                (
                    Line("end all", "ours", ("end_cpu", "end_server")),
                    Line("count", "ours", ("count_cpu", "count_server")),
                ),
            ),
        ),
    ),
)
