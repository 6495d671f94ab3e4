"""Small plots for asset metadata, where people would rather look than read."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from assets.markdown import as_is

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = "#3b6ea5"
_MARKED = "#d1603d"
# More labels than that would overlap.
_MOST_DATES = 6


def bars(title: str, values: Mapping[str, float]) -> str:
    """Horizontal bars, first entry on top, as a Markdown image."""
    figure = _figure(7, 0.6 + 0.3 * max(1, len(values)))
    axes = figure.add_subplot()
    names = list(values)[::-1]
    axes.barh([_label(name) for name in names], [values[name] for name in names], color=_BAR)
    axes.set_title(_label(title), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return _markdown(figure, title)


def line(title: str, x: Sequence[date], y: Sequence[float], unit: str = "") -> str:
    """One line over dates, from zero, as a Markdown image."""
    figure = _figure(7, 2.4)
    axes = figure.add_subplot()
    axes.plot(np.array(x, "datetime64[D]"), list(y), color=_BAR, linewidth=1.2)
    _few_dates(axes, x)
    axes.set_ylim(bottom=0)
    axes.set_title(_label(title), fontsize=10, loc="left")
    axes.set_ylabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    return _markdown(figure, title)


def lines(title: str, of: Mapping[str, Sequence[tuple[date, float]]], unit: str = "") -> str:
    """Several lines over dates, each of its own dates, ascending, from zero, as a Markdown image."""
    figure = _figure(7, 2.8)
    axes = figure.add_subplot()
    for name, values in of.items():
        days = np.array([day for day, _ in values], "datetime64[D]")
        axes.plot(days, [value for _, value in values], label=_label(name), marker="o", markersize=3, linewidth=1.2)
    _few_dates(axes, [day for values in of.values() for day, _ in values])
    axes.set_ylim(bottom=0)
    axes.set_title(_label(title), fontsize=10, loc="left")
    axes.set_ylabel(unit)
    if of:
        axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _markdown(figure, title)


def trials(title: str, values: Sequence[float | None], baseline: float) -> str:
    """One dot per trial from 0, the best value so far as a line, the baseline dashed, as a Markdown image.

    A trial without a value has no dot.
    """
    figure = _figure(7, 2.8)
    axes = figure.add_subplot()
    y = [float("nan") if value is None else value for value in values]
    best = [
        max((value for value in values[: number + 1] if value is not None), default=baseline)
        for number in range(len(y))
    ]
    axes.plot(range(len(y)), y, linestyle="", marker="o", markersize=4, color=_BAR)
    axes.step(range(len(y)), best, where="post", color=_MARKED, linewidth=1.2)
    axes.axhline(baseline, color="#999999", linewidth=0.8, linestyle="--")
    axes.set_title(_label(title), fontsize=10, loc="left")
    axes.set_xlabel("trial")
    axes.spines[["top", "right"]].set_visible(False)
    return _markdown(figure, title)


def calibration(title: str, predicted: Sequence[float], observed: Sequence[float]) -> str:
    """Observed over predicted shares beside the diagonal on which they agree, as a Markdown image."""
    figure = _figure(4.2, 4.0)
    axes = figure.add_subplot()
    top = 1.1 * max(*predicted, *observed)
    axes.plot([0, top], [0, top], color="#999999", linewidth=0.8, linestyle="--")
    axes.plot(list(predicted), list(observed), color=_BAR, marker="o", markersize=4, linewidth=1.2)
    # Most candidates are unlikely ones: on a linear scale all of those would be one dot.
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("symlog", linthresh=0.001)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_title(_label(title), fontsize=10, loc="left")
    axes.set_xlabel("predicted")
    axes.set_ylabel("listened to")
    axes.spines[["top", "right"]].set_visible(False)
    return _markdown(figure, title)


def _figure(width: float, height: float) -> "Figure":
    """An empty figure of that size in inches."""
    # Matplotlib takes a tenth of the start of every command, and few draw.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _few_dates(axes: "Axes", days: Sequence[date]) -> None:
    """Label only as many of the days as there is room for."""
    known = np.unique(np.array(days, "datetime64[D]"))
    shown = known[:: len(known) // _MOST_DATES + 1]
    axes.set_xticks(shown, labels=[str(day) for day in shown])


def _label(name: str) -> str:
    """A name that Matplotlib draws as it is: between two dollar signs it would read a formula."""
    return name.replace("$", r"\$")


def _markdown(figure: "Figure", title: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return f"![{as_is(title)}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
