"""An evaluation as a picture: the abstention curve, and the accuracies by level."""

from io import BytesIO
from typing import TYPE_CHECKING

from runtime.evaluation.curve import MARKS
from runtime.evaluation.evaluation import Evaluation
from runtime.evaluation.scoring import BEST, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _GREY = "#1f5f99", "#8a8f98"


def chart_of(found: Evaluation, scores: Scores) -> bytes:
    """The picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a second or so, and only with --out
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    records = f"{scores.top1.of:,} records" + ("" if found.complete else f", broken off, of {found.asked:,}")
    figure.suptitle(f"{found.model}, {records}", parse_math=False)
    curve, bars = figure.subplots(1, 2)
    _draw_curve(curve, scores)
    _draw_shares(bars, scores)
    for axes in (curve, bars):
        axes.set_ylim(0, 1.05)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_curve(axes: "Axes", scores: Scores) -> None:
    points = scores.curve.points
    axes.plot([point.percent for point in points], [point.accuracy for point in points], color=_BLUE)
    for percent in MARKS:
        point = scores.curve.at(percent)
        if point is not None:
            axes.plot([percent], [point.accuracy], "o", color=_BLUE)
            at = (percent, point.accuracy)
            axes.annotate(f"{point.accuracy:.2f}", at, (0, 8), textcoords="offset points", ha="center")
    axes.set_xlim(0, 105)
    axes.set_xlabel("coverage: the surest records, % of all")
    axes.set_ylabel("share with the right code first")
    axes.set_title("Accuracy against coverage")


def _draw_shares(axes: "Axes", scores: Scores) -> None:
    named = [(f"level {number}", share) for number, share in enumerate(scores.levels, 1)]
    named += [("code\n(top-1)", scores.top1), (f"one of {BEST}\n(top-{BEST})", scores.top3)]
    values = [share.value for _, share in named]
    below = [max(0.0, share.value - share.interval[0]) for _, share in named]
    above = [max(0.0, share.interval[1] - share.value) for _, share in named]
    colours = [_GREY] * len(scores.levels) + [_BLUE, _BLUE]
    axes.bar([name for name, _ in named], values, yerr=[below, above], color=colours, ecolor="#333333", capsize=4)
    for at, value in enumerate(values):
        axes.annotate(f"{value:.2f}", (at, 0.02), ha="center", color="white")
    axes.set_title("Accuracy, with 95 % intervals")
