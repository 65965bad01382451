"""What the samples say: medians, spread and ratios, as tables."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median, quantiles
from typing import Any, NamedTuple

from .engines import BARE, ENGINES, OURS, RIVALS
from .rounds import Samples

METRICS = {  # a title for each part, and digits
    "cpu": ("CPU of the client, microseconds an operation", 0),
    "wall": ("Time that passed, microseconds an operation", 0),
    "bytes": ("Memory in the server, bytes a session", 0),
}
SOCKETS = {
    "cpu": ("CPU of the process, microseconds", 0),
    "wall": ("Time that passed, microseconds", 0),
    "trips": ("Round trips to the server", 0),
    "resident": ("Memory, bytes a socket; with a session, beyond it", 0),
    "answer": ("A logout by HTTP until its answer, median, ms", 1),
    "close": ("A logout by HTTP until the close elsewhere, median, ms", 1),
    "close99": ("the same, 99th percentile, ms", 1),
    "holds": ("Whether this is so", 0),
}
PARTS = {"sessions": METRICS, "sockets": SOCKETS}
NAMES = {"nothing": "nothing, but a session object", "save": "save, with its read"}
NAMES |= {"login": "login, with its read", "logout": "logout, with its read"}


class Spread(NamedTuple):
    """A median and the quartiles on its sides."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up values; a single one has no spread."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(low, median(values), high)

    def text(self, digits: int) -> str:
        """Return "median (low-high)", or the median alone where there is no spread."""
        middle = f"{self.median:,.{digits}f}"
        if self.low == self.high:
            return middle
        return f"{middle} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def values(samples: Samples, engine: str, metric: str) -> list[Any]:
    """Return what an engine took, round by round; of memory, what a session adds to a socket."""
    found = samples.of(engine, metric)
    if metric != "resident" or engine == BARE.name:
        return found
    return [
        with_it - bare for with_it, bare in zip(found, samples.of(BARE.name, metric), strict=True)
    ]


def ratios(samples: Samples, metric: str, rival: str) -> list[float]:
    """Return ours over the rival's, round by round: what disturbs a round disturbs both."""
    ours, theirs = (values(samples, engine, metric) for engine in (OURS.name, rival))
    return [mine / its for mine, its in zip(ours, theirs, strict=True)]


def text(samples: Sequence[Samples]) -> str:
    """Return a table for each metric: medians, with the quartiles in brackets."""
    parts = [(part, metric) for part, metrics in PARTS.items() for metric in metrics]
    return "\n".join(line for each in parts for line in _table(samples, *each))


def _table(samples: Sequence[Samples], part: str, metric: str) -> Iterator[str]:
    measured = [
        entry
        for entry in samples
        if entry.row.part == part and metric in entry.answers[OURS.name][0]
    ]
    if not measured:
        return
    title, digits = PARTS[part][metric]
    yield from ("", _line(title, _heads(measured[0])))
    for group, entries in groupby(measured, lambda entry: entry.row.group):
        yield group
        for entry in entries:
            name = (
                NAMES.get(entry.row.name, entry.row.name) if part == "sessions" else entry.row.name
            )
            yield _line(f"  {name}{_encodings(entry)}", _cells(entry, metric, digits))


def _heads(entry: Samples) -> list[str]:
    engines = [ENGINES[name] for name in entry.row.engines]
    titles = [engine.sockets if entry.row.part == "sockets" else engine.title for engine in engines]
    return titles + [f"ours / {rival.name}" for rival in RIVALS]


def _cells(entry: Samples, metric: str, digits: int) -> list[str]:
    """Return what each engine took, and the ratio to each rival."""
    cells = [_cell(values(entry, engine, metric), digits) for engine in entry.row.engines]
    return cells + [_ratio(entry, metric, rival.name) for rival in RIVALS]


def _cell(values: Sequence[Any], digits: int) -> str:
    """Return figures in short; what an engine cannot do has none."""
    if isinstance(values[0], bool | None):
        return "yes" if all(values) else "no"
    return Spread.of(values).text(digits)


def _ratio(entry: Samples, metric: str, rival: str) -> str:
    """Return the ratio, where both have figures."""
    theirs = values(entry, rival, metric)
    if isinstance(theirs[0], bool | None) or not all(theirs):
        return "-"
    return Spread.of(ratios(entry, metric, rival)).text(2)


def _encodings(entry: Samples) -> str:
    """Return how the server keeps the session, where that was asked."""
    if "encoding" not in entry.answers[OURS.name][0]:
        return ""
    return ": " + " / ".join(entry.of(name, "encoding")[0] for name in entry.row.engines)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<48}" + "".join(f"{cell:>26}" for cell in cells)
