"""The rows of faults, and their table: what users see while the server, or the way to it, fails."""

from collections.abc import Iterator, Sequence

from .engines import ENGINES
from .rounds import Samples
from .rows import PAIR, Place, Row

PART = "faults"
LEFT_OUT = "Without what users see while the server fails, which --only faults measures."
LENGTHS = {  # seconds that each lasts; 0 is a moment
    "server killed, and started again": 1.0,
    "server stalled": 2.0,
    "connections killed while idle": 0.0,
    "reset before a reply": 0.0,
    "reset within a reply": 0.0,
    "reset after a reply": 0.0,
    "black hole": 2.0,
    "latency 50 ms": 2.0,
    "latency 2 s": 5.0,
    "LOADING": 1.0,
    "READONLY": 1.0,
    "OOM": 1.0,
}
COLUMNS = {  # a head for each figure, and digits
    "requests": ("requests", 0),
    "errors": ("errors", 0),
    "wrong": ("wrong answers", 0),
    "cookies": ("cookies deleted", 0),
    "lost": ("saves lost", 0),
    "recovery": ("recovery, s", 2),
    "slowest": ("slowest, s", 2),
}
_WIDTH = 17


def rows(engines: tuple[str, ...] = PAIR) -> list[Row]:
    """Return a row for each fault."""
    return [
        Row(PART, name, {"measure": "fault", "name": name}, 1, PART, engines, Place.FAULTY)
        for name in LENGTHS
    ]


def table(samples: Sequence[Samples]) -> Iterator[str]:
    """Return the lines of the table: sums over the rounds, the longest recovery and request."""
    measured = [entry for entry in samples if entry.row.part == PART]
    if measured:
        heads = [head for head, _ in COLUMNS.values()]
        yield from ("", _line("Faults: what users see", heads))
    for entry in measured:
        seconds = LENGTHS[entry.row.name]
        yield f"{entry.row.name}{f', {seconds:g} s' if seconds else ''}"
        for engine in entry.answers:
            cells = [_cell(entry.of(engine, name), *COLUMNS[name]) for name in COLUMNS]
            yield _line(f"  {ENGINES[engine].title}", cells)


def _cell(figures: list[float | None], head: str, digits: int) -> str:
    if None in figures:
        return "never"
    of_all = max(figures) if digits else sum(figures)
    return f"{of_all:,.{digits}f}"


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<38}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)
