"""``python -m benchmarks.plots samples.json DIR``: draw how cost grows, from what a run wrote."""

import argparse
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .figures import FIGURES, Figure, Line, Panel
from .growth import named
from .rounds import Samples
from .rows import Row
from .spread import Spread, values

try:
    from matplotlib import figure as pictures
    from matplotlib import rc_context
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
except ImportError as error:
    raise ImportError("Plots need the extra: django-redis-live-sessions[benchmarks]") from error

GREY = "#7d7d7d"  # on white and on black it has the same contrast
COLORS = {"ours": "#1a8fd1", "cache": "#d9730d"}
STYLE = {
    "svg.fonttype": "none",  # text stays text, in the reader's font
    "svg.hashsalt": "benchmarks",  # the same samples make the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],  # the first is wide: others have room
    "font.size": 9,
    "text.color": GREY,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
WIDTH, HEIGHT = 8.6, 2.4  # inches; of a row of panels
APART = 0.16  # of the height of a chart: what labels need that are below one another
_FRACTION = re.compile(r"\d+\.\d{3,}")  # in a file; a hundredth of a point is enough
NOTHING = dict.fromkeys(("Date", "Creator", "Format", "Type"))


class NothingGrew(Exception):
    """Samples without any of how cost grows."""


class Curve(NamedTuple):
    """What a line shows at each point: a median and its quartiles."""

    label: str
    color: str
    points: tuple[int, ...]
    spreads: tuple[Spread, ...]

    @property
    def end(self) -> float:
        """Return its last value."""
        return self.spreads[-1].median


def draw(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write a picture of each thing that grew in a run; return their paths.

    Raises NothingGrew where the run measured something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = [_samples(row) for row in document["rows"]]
    drawn = []
    for figure in FIGURES:
        mine = [each for each in samples if each.row.part == figure.growth.part]
        if mine:
            drawn.append(folder / figure.file)
            _draw(figure, mine, drawn[-1])
    if not drawn:
        raise NothingGrew("the samples have nothing of how cost grows: --only growth has")
    return drawn


def _samples(row: dict[str, Any]) -> Samples:
    engines = tuple(row["samples"])
    words = row["group"], row["name"], row["request"]
    return Samples(Row(*words, part=row["part"], engines=engines), row["samples"])


def _draw(figure: Figure, samples: Sequence[Samples], path: Path) -> None:
    columns = 3 if len(figure.panels) % 3 == 0 else 2
    lines = -(-len(figure.panels) // columns)
    with rc_context(STYLE):
        picture = pictures.Figure(figsize=(WIDTH, HEIGHT * lines), layout="constrained")
        axes = picture.subplots(lines, columns, squeeze=False).flat
        for axis, panel in zip(axes, figure.panels, strict=True):
            _panel(axis, figure, panel, [_curve(figure, line, samples) for line in panel.lines])
        picture.supxlabel(figure.axis, fontsize=STYLE["font.size"])
        picture.savefig(path, transparent=True, metadata=NOTHING | {"Title": figure.title})
    path.write_text(_FRACTION.sub(lambda found: f"{float(found[0]):.2f}", path.read_text()))


def _curve(figure: Figure, line: Line, samples: Sequence[Samples]) -> Curve:
    points = tuple(each.row.request[figure.growth.grows] for each in samples)
    spreads = tuple(Spread.of(_sums(line, each)) for each in samples)
    return Curve(line.label, COLORS[line.engine], points, spreads)


def _sums(line: Line, samples: Samples) -> list[float]:
    """Return, round by round, the sum of what a line shows."""
    rounds = zip(*(values(samples, line.engine, metric) for metric in line.metrics), strict=True)
    return [sum(each) for each in rounds]


def _panel(axis: Any, figure: Figure, panel: Panel, curves: Sequence[Curve]) -> None:
    axis.set_title(f"{panel.title}\n{panel.unit}")
    for curve in curves:
        low, middle, high = zip(*curve.spreads, strict=True)
        axis.plot(curve.points, middle, color=curve.color, linewidth=1.6, marker="o", markersize=3)
        axis.fill_between(curve.points, low, high, color=curve.color, alpha=0.2, linewidth=0)
    _scales(axis, figure, panel, curves)
    for curve, shift in zip(curves, _shifts(axis, curves), strict=True):
        _label(axis, curve, shift)


def _scales(axis: Any, figure: Figure, panel: Panel, curves: Sequence[Curve]) -> None:
    """Have the points as ticks below, plain numbers at the side, and room for the labels."""
    points = curves[0].points
    axis.set_xscale("log")
    axis.set_xticks(points, [named(figure.growth, point) for point in points])
    axis.xaxis.set_minor_locator(NullLocator())
    lowest = min(spread.low for curve in curves for spread in curve.spreads)
    highest = max(spread.high for curve in curves for spread in curve.spreads)
    if panel.log:
        axis.set_yscale("log")
        axis.set_ylim(lowest / 1.5, highest * 1.5)
        axis.set_yticks(_ticks(*axis.get_ylim()))
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.set_ylim(0, highest * 1.1)
        axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers of a log scale: few, but two at least."""
    for steps in ((1,), (1, 3), (1, 2, 5)):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            break
    return ticks


def _shifts(axis: Any, curves: Sequence[Curve]) -> list[float]:
    """Return by how many points to shift labels that would be written over one another."""
    ends = [axis.transData.transform((each.points[-1], each.end))[1] for each in curves]
    if len(ends) < 2 or abs(ends[0] - ends[1]) > APART * axis.bbox.height:
        return [0.0] * len(ends)
    return [8.0 if end == max(ends) else -8.0 for end in ends]


def _label(axis: Any, curve: Curve, shift: float) -> None:
    """Write behind the end of a line what it is."""
    axis.annotate(
        curve.label,
        (curve.points[-1], curve.end),
        xytext=(6, shift),
        textcoords="offset points",
        ha="left",
        va="center",
        color=curve.color,
        annotation_clip=False,
    )


def main() -> None:
    """Read the command line, and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("samples", type=Path, help="what --json wrote")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    given = parser.parse_args()
    try:
        for path in draw(json.loads(given.samples.read_text()), given.folder):
            print(path)
    except NothingGrew as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
