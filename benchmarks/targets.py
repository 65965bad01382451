"""What this project wants to reach, beside what a run measured."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .engines import CACHE, CLIENT, ENGINES, OURS
from .rounds import Samples
from .rows import SIZES, SMALL_SAVE
from .spread import Spread, ratios, values

KB = 1024


class Target(NamedTuple):
    """A bound for the ratio to the cache engine, or, of memory, for the figure itself."""

    row: str  # its label
    bound: float
    metric: str = "cpu"
    over: bool = False  # over the same without sessions
    at_least: bool = False
    rival: str = CACHE.name

    def figures(self, samples: Samples) -> list[float] | None:
        """Return what was measured, round by round; None where it cannot be told."""
        if self.metric == "resident":
            return values(samples, OURS.name, self.metric)
        return ratios(samples, self.metric, self.rival, over=self.over)

    def is_met(self, median: float) -> bool:
        """Tell whether a figure is within the bound."""
        return median >= self.bound if self.at_least else median <= self.bound


SYNC = {"read": 0.55, "save": 0.42, "create": 0.30, "login": 0.28, "logout": 0.50}
ASYNC = {"1 task": 1 / 8, "50 tasks": 1 / 35, "500 tasks": 1 / 35}
REQUESTS = {"reads": (1 / 15, 2.0), "writes": (1 / 10, 2.4), "logs in": (1 / 10, 2.7)}
TARGETS = (
    *(Target(f"sync {name}", bound) for name, bound in SYNC.items()),
    *(Target(f"async, {tasks} read", bound) for tasks, bound in ASYNC.items()),
    Target("async, 1 task command", 1, rival=CLIENT.name),
    *(
        Target(f"ASGI, in the process request that {does}", bound, over=True)
        for does, (bound, _) in REQUESTS.items()
    ),
    *(
        Target(f"uvicorn, 1 process request that {does}", bound, "rate", at_least=True)
        for does, (_, bound) in REQUESTS.items()
    ),
    *(
        Target(f"sockets, {tasks} frame that writes", 1 / 10, over=True)
        for tasks in ("1 task", "50 tasks")
    ),
    Target("sockets open", 10 * KB, "resident"),
    *(
        Target(f"sync, {SIZES[size]} in one value {SMALL_SAVE}", bound)
        for size, bound in ((4, 0.40), (64, 0.20))
    ),
)


def table(samples: Sequence[Samples]) -> Iterator[str]:
    """Return the lines of the table; of a target whose row was not measured, there is none."""
    lines = [line for target in TARGETS if (line := _line(target, samples))]
    if lines:
        yield from ("", "Targets: ours / cache on django-redis, median (quartiles)", *lines)


def _line(target: Target, samples: Sequence[Samples]) -> str:
    found = [entry for entry in samples if _is_of(entry, target)]
    if not found:
        return ""
    name = target.row.replace(" request", ": request") + (", over none" if target.over else "")
    name += "" if target.rival == CACHE.name else f", ours / {ENGINES[target.rival].title}"
    figures = target.figures(found[0])
    if figures is None:
        return f"  {name:<60}{_bound(target):>14}  not to be told: no more than without sessions"
    spread, digits = Spread.of(figures), 0 if target.metric == "resident" else 3
    verdict = "met" if target.is_met(spread.median) else "not met"
    return f"  {name:<60}{_bound(target):>14}{spread.text(digits):>28}  {verdict}"


def _is_of(entry: Samples, target: Target) -> bool:
    label = entry.row.label
    if target.metric == "resident":
        label = f"{entry.row.group} open" if entry.row.name.endswith(" open") else ""
    return label == target.row and target.metric in entry.answers[OURS.name][0]


def _bound(target: Target) -> str:
    words = f"{target.bound:,.0f} B" if target.metric == "resident" else f"{target.bound:.3f}"
    return f"{'>=' if target.at_least else '<='} {words}"
