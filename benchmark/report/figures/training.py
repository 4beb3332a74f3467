"""`curves` and `memorization`: what a training does epoch by epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, drawn_methods, in_a_line, in_full, metric_name, origin
from benchmark.report.figures.names import labels
from benchmark.tables import epochs, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.epochs import LOSS, TEST, TRAIN, VAL_CLEAN, VAL_NOISY
from benchmark.tables.shown import Shown

CELLS_IN_A_ROW = 4
MOST_CELLS = 12
METHODS_OF_CURVES = 2
METHODS_OF_MEMORIZATION = 5
TITLE = 100.0
"""Width of a name above one of four panels, in points."""
SPLITS = (TRAIN, VAL_NOISY, VAL_CLEAN, TEST)


def curves(material: Material) -> Page:
    """Loss and metric by epoch on training, validation and test set: two panels per cell."""
    blocks, repeated = shown.without_repetition(
        [one.first(METHODS_OF_CURVES, material.baseline).few_columns() for one in material.blocks]
    )
    drawn, left_out = _cells(blocks)
    values = {id(one): _curves(one, material) for one in {id(one): one for one, _, _ in drawn}.values()}
    if all(rows.empty for rows in values.values()):
        raise _nothing("curve")
    wide = min(CELLS_IN_A_ROW, len(drawn))
    groups = -(-len(drawn) // wide)
    page = canvas.page(f"Training curves: loss and {metric_name(material).lower()}", 2 * groups, wide, heights=1.75)
    page.fit(0)
    for position, (one, method, noise) in enumerate(drawn):
        rows = values[id(one)]
        rows = rows[(rows["method"] == method) & (rows["noise"] == noise)]
        for down, figure in enumerate((LOSS, one.block.metric)):
            axes = page.axes[2 * (position // wide) + down, position % wide]
            axes.set_visible(True)
            _lines(axes, rows[rows["figure"] == figure])
            _epochs(axes, down)
            axes.set_ylabel(figure.replace("_", " ") if position % wide == 0 else "")
            if down == 0:
                axes.set_title(f"{labels([method], TITLE)[0]}\nat {labels([noise], TITLE)[0]}{in_a_line(one, blocks)}")
    page.legend = list(SPLITS)
    together = pd.concat(values.values())
    page.caption = [
        f"Mean over n = {shown.span(together['units'])} seeds; band: 95 % t interval of the mean. The loss is the "
        "method's own objective in training, so that it compares with no other method's, and cross entropy elsewhere; "
        "in training, figures are those of the steps, on augmented images.",
        drawn_methods(blocks, material),
        *origin(material, rule=False),
    ]
    page.note(
        in_full(blocks),
        *map(shown.unfinished, blocks),
        _one_seed(together),
        *_unrecorded(together, blocks),
        repeated,
        left_out,
    )
    return page


def memorization(material: Material) -> Page:
    """Of the training samples with a wrong label: shares that are predicted as it, and as their true class."""
    blocks, repeated = shown.without_repetition(
        [one.first(METHODS_OF_MEMORIZATION, material.baseline).worst_of_each_kind() for one in material.blocks]
    )
    values = {one.title: _memorization(one, material) for one in blocks}
    together = pd.concat(values.values())
    if together.empty:
        raise TableError(
            "no run here tells how wrong labels were predicted: that needs wrong labels among the training labels and "
            "known true ones; expected noise such as symmetric:0.4 (`--noise`, or --only of a noisy column)"
        )
    panels = [(one, noise) for one in blocks for noise in one.noise if (values[one.title]["noise"] == noise).any()]
    left_out = [f"{one.title} at {noise}" for one, noise in panels[MOST_CELLS:]]
    panels = panels[:MOST_CELLS]
    names = list(dict.fromkeys(method for one in blocks for method in one.methods))
    canvas.check_lines(names)
    wide = min(3, len(panels))
    groups = -(-len(panels) // wide)
    page = canvas.page("Memorization of wrong labels", 2 * groups, wide, heights=1.75, share_y=True)
    page.fit(0)
    for position, (one, noise) in enumerate(panels):
        rows = values[one.title][values[one.title]["noise"] == noise]
        for down, figure in enumerate(epochs.MEMORIZATION.values()):
            axes = page.axes[2 * (position // wide) + down, position % wide]
            axes.set_visible(True)
            for number, method in enumerate(names):
                own = rows[(rows["method"] == method) & (rows["figure"] == figure)]
                style = canvas.line_style(number) | {"markevery": _every(own), "markersize": 2.6}
                canvas.band(axes, own["epoch"], own["mean"], own["half"], method, **style)
            _epochs(axes, down)
            axes.set_ylabel(f"share predicted\nas {figure}" if position % wide == 0 else "")
            axes.set_ylim(-0.02, 1.02)
            if down == 0:
                axes.set_title(f"{labels([noise])[0]}{in_a_line(one, blocks)}")
    page.legend = names
    page.caption = [
        "Of the training samples with a wrong label (of at most 10,000, not augmented, after the epoch): the share "
        "that is predicted as that label, above, and as its true class, below. Mean over "
        f"n = {shown.span(together['units'])} seeds; band: 95 % t interval of the mean.",
        drawn_methods(blocks, material),
        *origin(material, rule=False),
    ]
    page.note(
        in_full(blocks), *map(shown.unfinished, blocks), _one_seed(together), repeated, shown.for_want_of_room(left_out)
    )
    return page


def _cells(blocks: list[Shown]) -> tuple[list[tuple[Shown, str, str]], str]:
    """The (block, method, noise) that there is room for, and a sentence on the others."""
    cells = [(one, method, noise) for one in blocks for method in one.methods for noise in one.noise]
    left_out = [f"{method} at {noise}" for _, method, noise in cells[MOST_CELLS:]]
    return cells[:MOST_CELLS], shown.for_want_of_room(left_out)


def _curves(one: Shown, material: Material) -> pd.DataFrame:
    runs = shown.ended(one)
    records = material.whole(set(runs["id"]))
    return epochs.over_seeds(runs, epochs.curves(records, one.block.metric, material.table.extra_test))


def _memorization(one: Shown, material: Material) -> pd.DataFrame:
    runs = shown.ended(one)
    return epochs.over_seeds(runs, epochs.memorization(material.whole(set(runs["id"]))))


def _lines(axes: Axes, rows: pd.DataFrame) -> None:
    for number, split in enumerate(SPLITS):
        own = rows[rows["split"] == split]
        if len(own):
            style = canvas.line_style(number) | {"markevery": _every(own), "markersize": 2.6}
            canvas.band(axes, own["epoch"], own["mean"], own["half"], split, **style)


def _epochs(axes: Axes, down: int) -> None:
    """The axis of epochs, which are whole numbers; named below the lower panel only."""
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("epoch" if down else "")


def _every(rows: pd.DataFrame) -> int:
    """Markers are drawn at every so many epochs: about six on a line."""
    return max(1, len(rows) // 6)


def _one_seed(values: pd.DataFrame) -> str:
    return "no band where there is one seed; --seeds 6 makes more" if (values["units"] == 1).any() else ""


def _unrecorded(values: pd.DataFrame, blocks: list[Shown]) -> list[str]:
    """What of loss and metric the records do not hold."""
    told = []
    for figure in dict.fromkeys([LOSS, *(one.block.metric for one in blocks)]):
        have = set(values["split"][values["figure"] == figure])
        lacking = [split for split in SPLITS if split not in have and (split != VAL_CLEAN or figure == LOSS)]
        if lacking:
            told.append(f"the {figure.replace('_', ' ')} of {' and '.join(lacking)} is not in these records")
    if any(VAL_NOISY in text and LOSS in text for text in told):
        told.append(
            "these records were made before the validation loss was kept: `noisybench run` into a new folder "
            "(--results DIR) makes them with it"
        )
    return told


def _nothing(what: str) -> TableError:
    return TableError(
        f"no run of what is drawn has a {what}; expected runs that ended: `noisybench status` says what is missing, "
        "`noisybench run` makes it"
    )
