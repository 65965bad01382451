"""What figures say: medians, how far they spread, and ratios, round by round."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from .engines import BARE, OURS
from .rounds import Samples


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


def values(samples: Samples, engine: str, metric: str, *, over: bool = False) -> list[Any]:
    """Return what an engine took, round by round; ``over``: more than without sessions.

    Of the memory of a socket it is always what a session adds.
    """
    found = samples.of(engine, metric)
    if engine == BARE.name or not (over or metric == "resident"):
        return found
    pairs = zip(found, samples.of(BARE.name, metric), strict=True)
    return [with_it - bare for with_it, bare in pairs]


def ratios(samples: Samples, metric: str, rival: str, *, over: bool = False) -> list[float] | None:
    """Return ours over the rival's, round by round: what disturbs a round disturbs both.

    None where either has no figures, or the rival's are not above zero.
    """
    if rival not in samples.answers:
        return None
    ours, theirs = (values(samples, engine, metric, over=over) for engine in (OURS.name, rival))
    if any(isinstance(value, bool | None) for value in (*ours, *theirs)):
        return None
    if not all(its > 0 for its in theirs):
        return None
    return [mine / its for mine, its in zip(ours, theirs, strict=True)]
