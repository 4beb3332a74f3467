"""What all figures share: style, colours, pages of panels with title and caption, and files of equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context

from benchmark.report.figures.names import FONT, LABEL, labels, shown_text, width, wrapped

COLUMN, PAGE = 3.5, 7.0
"""Widths in inches: of one column of a page in two columns, and of the page."""
SMALL = 6.5
"""Font size of captions in points."""
TITLE = 9.0
LEGEND = LABEL
SPACING = 1.2
MARGIN, GAP, HANDLE = 4.0, 12.0, 20.0
"""In points: around text, between the columns of a legend, and the length of a line in it."""
SLANT = 30
PLACE_DIGITS = 5
"""Of the corners of axes, as shares of the figure."""
DPI = 200

MISSING = "#dddddd"

STYLE: dict[str, Any] = {
    "font.family": FONT,
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.labelsize": LABEL,
    "ytick.labelsize": LABEL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": LABEL,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.4,
    "text.parse_math": False,  # a name with "$" is a name
    "svg.hashsalt": "noisybench",  # ids inside an SVG are random without it
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
"""What differs from matplotlib's defaults."""


@dataclass
class Page:
    """A figure with its panels, and what is written below it."""

    title: str
    figure: Figure
    axes: np.ndarray
    """[rows, columns] of Axes."""
    notes: list[str] = field(default_factory=list)
    """Sentences of the caption that the command line says too."""
    caption: list[str] = field(default_factory=list)
    legend: list[str] = field(default_factory=list)
    """Names of lines in the order of the legend, which is one for all panels."""
    marks: dict[str, str] = field(default_factory=dict)
    """Of these names, what stands behind them."""

    @property
    def handles(self) -> dict[str, Any]:
        """The first line of every name."""
        known: dict[str, Any] = {}
        for axes in self.panels():
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                known.setdefault(name, handle)
        return known

    def note(self, *sentences: str) -> None:
        """Adds sentences that are not empty and not there yet."""
        self.notes += [text for text in dict.fromkeys(sentences) if text and text not in self.notes]

    def panels(self) -> list[Axes]:
        return list(self.axes.flat)

    def fit(self, used: int, at_most_one: bool = False) -> None:
        """Hides the panels behind the first `used` ones. `at_most_one`: no axis goes beyond 1, as no value can."""
        for axes in self.panels()[used:]:
            axes.set_visible(False)
        for axes in self.panels()[:used] if at_most_one else ():
            bottom, top = axes.get_ylim()
            axes.set_ylim(bottom, min(top, 1.005))


def style() -> Any:
    """A context in which figures are made and saved, whatever a matplotlibrc says."""
    return context(["default", STYLE])


def page(
    title: str,
    rows: int = 1,
    columns: int = 1,
    *,
    inches: float | None = None,
    heights: Sequence[float] | float = 2.1,
    share_x: bool | str = False,
    share_y: bool | str = False,
) -> Page:
    """Panels of `heights` inches, one for each row or the same for all; as wide as a column where there is one."""
    tall = [heights] * rows if isinstance(heights, int | float) else list(heights)
    wide = inches or (COLUMN if columns == 1 else PAGE)
    figure = Figure(figsize=(wide, sum(tall)), dpi=DPI, layout="constrained")
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharex=share_x,  # type: ignore[arg-type]
        sharey=share_y,  # type: ignore[arg-type]
        gridspec_kw={"height_ratios": tall},
    )
    return Page(title, figure, axes)


def encoded(drawn: Page, suffix: str) -> bytes:
    """The figure as a file of that suffix. Equal figures give equal bytes, by one version of matplotlib, which
    is named in it: no date, no random id."""
    _lay_out(drawn)
    _place(drawn.figure)
    metadata: dict[str, Any] = {
        ".png": {},
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }[suffix]
    file = io.BytesIO()
    drawn.figure.savefig(file, format=suffix[1:], dpi=DPI, metadata=metadata, facecolor="white")
    return file.getvalue()


def _lay_out(drawn: Page) -> None:
    """Makes the figure higher by what title, legend and caption need: the panels keep their size."""
    figure = drawn.figure
    wide, high = (float(inches) for inches in figure.get_size_inches())
    points = wide * 72 - 2 * MARGIN
    title = wrapped(drawn.title, TITLE, points)
    text = " ".join([*filter(None, drawn.caption), *map(_sentence, drawn.notes)])
    caption = wrapped(text, SMALL, points)
    names, columns = _legend_columns(drawn, points)
    above = _height(title, TITLE) + 2 * MARGIN
    below = _height(caption, SMALL) + 2 * MARGIN
    legend = (-(-len(names) // columns) * 1.5 * LEGEND + MARGIN) if names else 0.0
    total = high * 72 + above + below + legend
    figure.set_size_inches(wide, total / 72)
    figure.text(0.5, 1 - MARGIN / total, title, fontsize=TITLE, ha="center", va="top", linespacing=SPACING)
    figure.text(MARGIN / 72 / wide, MARGIN / total, caption, fontsize=SMALL, va="bottom", linespacing=SPACING)
    figure.get_layout_engine().set(rect=(0, (below + legend) / total, 1, high * 72 / total))  # type: ignore[union-attr,call-arg]
    if names:
        figure.legend(
            [drawn.handles[name] for name in names],
            labels(names, marks=drawn.marks),
            loc="lower center",
            bbox_to_anchor=(0.5, below / total),
            borderaxespad=0,
            borderpad=0,
            labelspacing=0.4,
            ncols=columns,
            columnspacing=GAP / LEGEND,
            handlelength=HANDLE / LEGEND,
        )


def _place(figure: Figure) -> None:
    """Places the axes once, and rounds their places.

    The solver of the layout (kiwisolver) orders its variables by their addresses in memory, so that its results differ
    in the last digits from one call to the next, and with them the ids in an SVG.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        corners = axes.get_position(original=True).extents
        left, bottom, right, top = (round(float(corner), PLACE_DIGITS) for corner in corners)
        axes.set_position((left, bottom, right - left, top - bottom))


def _height(text: str, size: float) -> float:
    """Of lines of text, in points."""
    return len(text.split("\n")) * size * SPACING * 1.17 if text else 0.0


def _legend_columns(drawn: Page, points: float) -> tuple[list[str], int]:
    """The names of the legend in their order, and as many columns as fit."""
    names = [name for name in drawn.legend if name in drawn.handles]
    widest = max((width(name, LEGEND) for name in labels(names, marks=drawn.marks)), default=0.0)
    fitting = max(1, int((points + GAP) // (widest + HANDLE + 0.8 * LEGEND + GAP)))
    return names, min(fitting, len(names)) or 1


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def band(axes: Axes, x: Any, mean: Any, half: Any, label: str, **line: Any) -> None:
    """A line with a band of `mean` ± `half`; a gap where the mean is NaN, no band where `half` is."""
    x, mean, half = (np.asarray(values, dtype=np.float64) for values in (x, mean, half))
    axes.plot(x, mean, label=label, **line)
    axes.fill_between(x, mean - half, mean + half, color=line["color"], alpha=0.12, linewidth=0)


def matrix(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    texts: Sequence[Sequence[str]] | None = None,
    *,
    limits: tuple[float, float],
    size: float = 6.0,
    colors: str = "cividis",
) -> Any:
    """A heat map of `values` [rows, columns], hatched grey where they are NaN, with `texts` in its cells."""
    from matplotlib.patches import Rectangle

    image = axes.imshow(values, cmap=colors, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest")
    for i, j in np.argwhere(np.isnan(values)):
        axes.add_patch(
            Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=MISSING, hatch="////", edgecolor="#aaaaaa", linewidth=0)
        )
    axes.set_xticks(range(len(columns)), [shown_text(name) for name in columns])
    axes.set_yticks(range(len(rows)), [shown_text(name) for name in rows])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for i, row in enumerate(texts or ()):
        for j, text in enumerate(row):
            color = ink(image, values[i, j]) if np.isfinite(values[i, j]) else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
    return image


def slanted(axes: Axes) -> None:
    """Turns the labels of the columns, which are names, so that they do not overlap."""
    axes.tick_params(axis="x", labelrotation=SLANT)
    for tick in axes.get_xticklabels():
        tick.set_horizontalalignment("right")
        tick.set_rotation_mode("anchor")


def slanted_height(names: Sequence[str]) -> float:
    """Inches that turned labels take below their axes."""
    widest = max((width(name, LABEL) for name in names), default=0.0)
    return (widest * np.sin(np.radians(SLANT)) + LABEL) / 72


def ink(image: Any, value: float) -> str:
    """Black or white, whichever is read more easily on the colour of `value`."""
    red, green, blue, _ = image.cmap(image.norm(float(value)))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
