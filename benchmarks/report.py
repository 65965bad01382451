"""What the samples say: medians, spread and ratios, as text for people and JSON for programs."""

import os
import platform
from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median, quantiles
from typing import Any, NamedTuple

from . import cores
from .engines import ENGINES, OURS, RIVALS
from .rounds import Samples

METRICS = {
    "cpu": "CPU of the client, microseconds an operation",
    "wall": "Time that passed, microseconds an operation",
    "bytes": "Memory in the server, bytes a session",
}
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


def ratios(samples: Samples, metric: str, rival: str) -> list[float]:
    """Return ours over the rival's, round by round: what disturbs a round disturbs both."""
    pairs = zip(samples.of(OURS.name, metric), samples.of(rival, metric), strict=True)
    return [ours / theirs for ours, theirs in pairs]


def text(samples: Sequence[Samples]) -> str:
    """Return a table for each metric: medians, with the quartiles in brackets."""
    return "\n".join(line for metric in METRICS for line in _table(samples, metric))


def _table(samples: Sequence[Samples], metric: str) -> Iterator[str]:
    measured = [entry for entry in samples if metric in entry.answers[OURS.name][0]]
    if not measured:
        return
    heads = [engine.title for engine in (OURS, *RIVALS)]
    heads += [f"ours / {rival.name}" for rival in RIVALS]
    yield from ("", _line(METRICS[metric], heads))
    for group, entries in groupby(measured, lambda entry: entry.row.group):
        yield group
        for entry in entries:
            name = NAMES.get(entry.row.name, entry.row.name)
            yield _line(f"  {name}{_encodings(entry)}", _cells(entry, metric))


def _cells(entry: Samples, metric: str) -> list[str]:
    """Return what each engine took, and the ratio to each rival."""
    values = [Spread.of(entry.of(engine.name, metric)).text(0) for engine in (OURS, *RIVALS)]
    return values + [Spread.of(ratios(entry, metric, rival.name)).text(2) for rival in RIVALS]


def _encodings(entry: Samples) -> str:
    """Return how the server keeps the session, where that was asked."""
    if "encoding" not in entry.answers[OURS.name][0]:
        return ""
    return ": " + " / ".join(entry.of(name, "encoding")[0] for name in ENGINES)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<48}" + "".join(f"{cell:>24}" for cell in cells)


def load() -> list[float]:
    """Return how many processes wanted to run, on average of the last 1, 5 and 15 minutes."""
    return [round(average, 2) for average in os.getloadavg()]


def machine() -> dict[str, Any]:
    """Return what tells this machine from another, how its cores are shared out, and its load."""
    shares = {"server": cores.SERVER, **cores.CLIENT}
    return {"platform": platform.platform(), "cores": shares, "load": load()}


def head(about: dict[str, Any]) -> str:
    """Return the lines above the tables: what was measured with what."""
    shares = about["machine"]["cores"]
    return "\n".join(
        (
            ", ".join(f"{name} {version}" for name, version in about["versions"].items()),
            f"{about['machine']['platform']}, load {about['machine']['load'][0]}",
            "cores: " + ", ".join(f"{whose} {numbers}" for whose, numbers in shares.items()),
        )
    )


def foot(about: dict[str, Any]) -> str:
    """Return the line below the tables: how they came about."""
    effort = f"{about['rounds']} rounds in {about['seconds']:.0f} s"
    return (
        "\nMedians, and quartiles in brackets; the ratio is taken round by round."
        f" {effort}; load now {about['load_after'][0]}."
    )


def document(samples: Sequence[Samples], about: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, for JSON; the answers are in the order of the rounds."""
    measured = [
        {
            "group": entry.row.group,
            "name": entry.row.name,
            "request": entry.row.request,
            "samples": entry.answers,
        }
        for entry in samples
    ]
    titles = {engine.name: engine.title for engine in ENGINES.values()}
    return about | {"engines": titles, "rows": measured}
