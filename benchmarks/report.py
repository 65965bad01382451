"""What the samples say: medians, spread and ratios, as tables."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from . import faults, growth, targets
from .engines import BARE, CACHE, ENGINES, FLOOR, OURS
from .rounds import Samples
from .spread import Spread, ratios, values

METRICS = {  # a title for each part, and digits
    "cpu": ("CPU of the client, microseconds an operation", 0),
    "wall": ("Time that passed, microseconds an operation", 0),
    "trips": ("Round trips to the server", 0),
    "sent": ("Bytes sent to the server", 0),
    "bytes": ("Memory in the server, bytes a session", 0),
}
SOCKETS = {
    "cpu": ("CPU of the process, microseconds", 0),
    "wall": ("Time that passed, microseconds", 0),
    "trips": ("Round trips to the server", 0),
    "sent": ("Bytes sent to the server", 0),
    "resident": ("Memory, bytes a socket; with a session, beyond it", 0),
    "answer": ("A logout by HTTP until its answer, median, ms", 1),
    "close": ("A logout by HTTP until the close elsewhere, median, ms", 1),
    "close99": ("the same, 99th percentile, ms", 1),
    "holds": ("Whether this is so", 0),
}
REQUESTS = {
    "cpu": ("CPU of the process, microseconds a request", 0),
    "wall": ("Time that passed, microseconds a request", 0),
    "rate": ("From a server, requests or frames a second", 0),
    "p50": ("From a server, milliseconds until the answer, median", 1),
    "p99": ("the same, 99th percentile", 1),
}
PARTS = {"sessions": METRICS, "requests": REQUESTS, "sockets": SOCKETS, **growth.METRICS}
MAIN = tuple(engine.name for engine in (FLOOR, BARE, OURS, CACHE))
NAMES = {"nothing": "nothing, but a session object", "save": "save, with its read"}
NAMES |= {
    "command": "one command, HGETALL",
    "login": "login, with its read",
    "logout": "logout, with its read",
}


def text(samples: Sequence[Samples]) -> str:
    """Return a table for each metric, medians with the quartiles in brackets; last the targets."""
    parts = [(part, metric) for part, metrics in PARTS.items() for metric in metrics]
    lines = [line for each in parts for line in _tables(samples, *each)]
    return "\n".join([*lines, *faults.table(samples), *targets.table(samples)])


def _tables(samples: Sequence[Samples], part: str, metric: str) -> Iterator[str]:
    measured = [
        entry
        for entry in samples
        if entry.row.part == part and metric in entry.answers[OURS.name][0]
    ]
    if not measured:
        return
    title, digits = PARTS[part][metric]
    engines = [name for name in ENGINES if any(name in entry.answers for entry in measured)]
    main = [name for name in engines if name in MAIN]
    yield from _table(title, measured, metric, digits, main)
    others = [name for name in engines if name not in MAIN]
    if others:
        with_others = [entry for entry in measured if not entry.answers.keys().isdisjoint(others)]
        heads = [ENGINES[name].title for name in others]
        yield from ("", _line(f"{title}; ours / that", heads))
        for group, entries in groupby(with_others, lambda entry: entry.row.group):
            yield group
            for entry in entries:
                cells = [_of_other(entry, name, metric, digits) for name in others]
                yield _line(f"  {_name(entry)}", cells)


def _table(
    title: str, measured: Sequence[Samples], metric: str, digits: int, engines: list[str]
) -> Iterator[str]:
    over = BARE.name in engines and metric == "cpu"
    heads = [_head(name, measured[0]) for name in engines]
    yield from ("", _line(title, [*heads, "ours / cache", *["over no session"] * over]))
    for group, entries in groupby(measured, lambda entry: entry.row.group):
        yield group
        for entry in entries:
            cells = [_cell(entry, name, metric, digits) for name in engines]
            cells += [_ratio(entry, metric, over=each) for each in (False, True)[: 1 + over]]
            yield _line(f"  {_name(entry)}{_encodings(entry)}", cells)


def _name(entry: Samples) -> str:
    name = entry.row.name
    return NAMES.get(name, name) if entry.row.part == "sessions" else name


def _head(name: str, entry: Samples) -> str:
    engine = ENGINES[name]
    return engine.sockets if entry.row.part == "sockets" else engine.title


def _cell(entry: Samples, engine: str, metric: str, digits: int) -> str:
    """Return figures in short; what an engine cannot do, or was not asked, has none."""
    if engine not in entry.answers:
        return "-"
    figures = values(entry, engine, metric)
    if isinstance(figures[0], bool | None):
        return "yes" if all(figures) else "no"
    return Spread.of(figures).text(digits)


def _of_other(entry: Samples, engine: str, metric: str, digits: int) -> str:
    """Return what another engine took, and ours over that."""
    if engine not in entry.answers:
        return "-"
    ratio = Spread.of(ratios(entry, metric, engine) or [0]).median
    return f"{Spread.of(values(entry, engine, metric)).median:,.{digits}f}; {ratio:.2f}"


def _ratio(entry: Samples, metric: str, *, over: bool) -> str:
    """Return ours over the cache engine's, where both have figures."""
    found = ratios(entry, metric, CACHE.name, over=over)
    return "-" if found is None else Spread.of(found).text(2)


def _encodings(entry: Samples) -> str:
    """Return how the server keeps the session, where that was asked."""
    if "encoding" not in entry.answers[OURS.name][0]:
        return ""
    found = (entry.of(name, "encoding")[0] for name in MAIN if name in entry.answers)
    return ": " + " / ".join(found)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<48}" + "".join(f"{cell:>26}" for cell in cells)
