"""How cost grows: what is measured at which points, and the words of its tables. No figures."""

from typing import Any, NamedTuple

from .rows import ALL, Place, Row

PART = "growth"
ROUNDS, QUICK_ROUNDS = 3, 1
LEFT_OUT = "Without how cost grows, which --only growth measures."

CLIENT = "CPU of the client, us"
SERVER = "CPU of the server, us"
PASSED = "time that passed, us"

Metrics = dict[str, tuple[str, int]]  # a title, and digits


class Growth(NamedTuple):
    """What grows: its name, the method that measures it and the argument, and the points."""

    name: str
    measure: str
    grows: str
    points: tuple[int, ...]
    quick: tuple[int, ...]
    count: int  # operations or frames at each point
    metrics: Metrics

    @property
    def part(self) -> str:
        """Return the part of the run that these rows are."""
        return f"{PART}, {self.name}"


def _titled(meters: dict[str, str], names: dict[str, str]) -> Metrics:
    return {
        f"{name}_{meter}": (f"{title}: {unit}", 0)
        for name, title in names.items()
        for meter, unit in meters.items()
    }


class GrowthRow(Row):
    """A row of something that grows."""

    def warm_up(self) -> dict[str, Any]:
        """Return a small request: a million sessions are not for warming up."""
        fewer = {key: min(value, 20) for key, value in self.request.items() if key != "measure"}
        return self.request | fewer


_CLIENT, _BOTH = {"cpu": CLIENT}, {"cpu": CLIENT, "server": SERVER}

GROWTHS = (
    Growth(
        "payload",
        measure="payload",
        grows="size",
        points=(200, 1_024, 4_096, 16_384, 65_536),
        quick=(200, 65_536),
        count=100,
        metrics=_titled(_BOTH | {"received": "bytes received"}, {"read": "read of small keys"})
        | _titled(_CLIENT, {"whole": "read of all keys"})
        | _titled(_BOTH | {"sent": "bytes sent"}, {"save": "save of a small key"})
        | {"bytes": ("memory in the server, bytes a session", 0)},
    ),
    Growth(
        "tasks at once",
        measure="tasks",
        grows="tasks",
        points=(1, 5, 50, 200, 500),
        quick=(1, 50),
        count=1_000,
        metrics=_titled(_CLIENT | {"wall": PASSED}, {"read": "async read", "save": "async save"}),
    ),
    Growth(
        "open sockets",
        measure="crowd",
        grows="opened",
        points=(100, 300, 1_000, 3_000),
        quick=(100, 300),
        count=500,
        metrics={
            "resident": ("memory of one more; of its session, beyond it", 0),
            "frame": ("a frame that writes: CPU, us", 0),
            "change": ("a change elsewhere, until it is read: CPU, us", 0),
        },
    ),
    Growth(
        "stored sessions",
        measure="stored",
        grows="number",
        points=(1_000, 10_000, 100_000, 1_000_000),
        quick=(1_000, 10_000),
        count=200,
        metrics=_titled(
            _BOTH, {"read": "read", "save": "save", "login": "login", "list": "list of a user's 3"}
        )
        | {"idle": ("the server by itself: CPU, us a second", 0)},
    ),
    Growth(
        "sessions of one user",
        measure="user",
        grows="number",
        points=(1, 10, 100, 1_000),
        quick=(1, 100),
        count=100,
        metrics=_titled(_BOTH, {"login": "login", "save": "save", "list": "list of the first 100"})
        | _titled(_BOTH, {"count": "count", "end": "end all"}),
    ),
)
METRICS = {growth.part: growth.metrics for growth in GROWTHS}


def rows(*, quick: bool = False) -> list[Row]:
    """Return a row for each point; with ``quick``, for few points."""
    return [
        _row(growth, point, quick=quick)
        for growth in GROWTHS
        for point in (growth.quick if quick else growth.points)
    ]


def _row(growth: Growth, point: int, *, quick: bool) -> GrowthRow:
    count = growth.count // 5 if quick else growth.count
    request = {"measure": growth.measure, growth.grows: point, "count": count}
    rounds = QUICK_ROUNDS if quick else ROUNDS
    fresh: dict[str, Any] = {"engines": ALL, "place": Place.FRESH}
    options = fresh if growth.measure == "crowd" else {}
    return GrowthRow(growth.part, named(growth, point), request, rounds, growth.part, **options)


def named(growth: Growth, point: int) -> str:
    """Return a point as people write it: "4 KB", "3,000"."""
    if growth.grows != "size":
        return f"{point:,}"
    return f"{point} B" if point < 1_024 else f"{point // 1_024} KB"
