"""`curves` and `memorization`: what a training does epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, in_full, metric_name, origin, spelled
from benchmark.report.figures.left_out import CLEAN_AND_WORST, WORST_OF_KIND, drawn_columns, drawn_methods, without
from benchmark.report.figures.lines import line_style
from benchmark.report.figures.marks import explained, marks
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
    values = {id(one): _curves(one, material) for one in blocks}
    if all(rows.empty for rows in values.values()):
        raise _nothing("curve")
    drawn, notes = _cells(blocks, values)
    wide = min(CELLS_IN_A_ROW, len(drawn))
    groups = -(-len(drawn) // wide)
    page = canvas.page(f"Training curves: loss and {metric_name(material)}", 2 * groups, wide, heights=1.75)
    page.fit(0)
    for position, (one, method, noise) in enumerate(drawn):
        rows = values[id(one)]
        rows = rows[(rows["method"] == method) & (rows["noise"] == noise)]
        for down, figure in enumerate((LOSS, one.block.metric)):
            axes = page.axes[2 * (position // wide) + down, position % wide]
            axes.set_visible(True)
            _lines(axes, rows[rows["figure"] == figure])
            _epochs(axes, down)
            axes.set_ylabel(spelled(figure) if position % wide == 0 else "")
            if down == 0:
                name = labels([method], TITLE, marks([one]))[0]
                axes.set_title(f"{name}\nat {labels([noise], TITLE)[0]}{in_a_line(one, blocks)}")
    page.legend = list(SPLITS)
    together = pd.concat(values.values())
    page.caption = [
        f"Mean over n = {shown.span(together['units'])} seeds; band: 95 % t interval of the mean. The loss is the "
        "method's own objective in training, so that it compares with no other method's, and cross entropy elsewhere. "
        f"{in_training(blocks, _scored_in_training(together, blocks))}",
        drawn_methods(blocks, material),
        explained(blocks),
        *origin(material, blocks, rule=False),
    ]
    page.note(
        in_full(blocks),
        *map(shown.unfinished, blocks),
        _one_seed(together),
        *_unrecorded(together, blocks),
        drawn_columns(blocks, material, CLEAN_AND_WORST),
        repeated,
        *notes,
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
    cells = [(one, noise) for one in blocks for noise in one.noise]
    panels = [(one, noise) for one, noise in cells if (values[one.title]["noise"] == noise).any()]
    nothing = [noise for one, noise in cells if (one, noise) not in panels]
    left_out = [f"{one.title} at {noise}" for one, noise in panels[MOST_CELLS:]]
    panels = panels[:MOST_CELLS]
    names = list(dict.fromkeys(method for one in blocks for method in one.methods))
    styles = material.styles(names)
    wide = min(3, len(panels))
    groups = -(-len(panels) // wide)
    page = canvas.page("Memorization of wrong labels", 2 * groups, wide, heights=1.75, share_y=True)
    page.fit(0)
    for position, (one, noise) in enumerate(panels):
        rows = values[one.title][values[one.title]["noise"] == noise]
        for down, figure in enumerate(epochs.MEMORIZATION.values()):
            axes = page.axes[2 * (position // wide) + down, position % wide]
            axes.set_visible(True)
            for method in names:
                own = rows[(rows["method"] == method) & (rows["figure"] == figure)]
                style = styles[method] | {"markevery": _every(own), "markersize": 2.6}
                canvas.band(axes, own["epoch"], own["mean"], own["half"], method, **style)
            _epochs(axes, down)
            axes.set_ylabel(f"share predicted\nas {figure}" if position % wide == 0 else "")
            axes.set_ylim(-0.02, 1.02)
            if down == 0:
                axes.set_title(f"{labels([noise])[0]}{in_a_line(one, blocks)}")
    page.legend, page.marks = names, marks(blocks)
    page.caption = [
        "Of the training samples with a wrong label (of at most 10,000, not augmented, after the epoch): the share "
        "that is predicted as that label, above, and as its true class, below. Mean over "
        f"n = {shown.span(together['units'])} seeds; band: 95 % t interval of the mean.",
        drawn_methods(blocks, material),
        explained(blocks),
        *origin(material, blocks, rule=False),
    ]
    page.note(
        in_full(blocks),
        *map(shown.unfinished, blocks),
        _one_seed(together),
        drawn_columns(blocks, material, WORST_OF_KIND),
        without("wrong label whose true class is known", nothing),
        repeated,
        shown.for_want_of_room(left_out),
    )
    return page


def _cells(
    blocks: list[Shown], values: Mapping[int, pd.DataFrame]
) -> tuple[list[tuple[Shown, str, str]], tuple[str, str]]:
    """The (block, method, noise) with a curve that there is room for, and sentences on the others."""
    cells = [(one, method, noise) for one in blocks for method in one.methods for noise in one.noise]
    begun = [cell for cell in cells if cell[1:] in _pairs(shown.runs(cell[0]))]
    nothing = [f"{method} at {noise}" for one, method, noise in cells if (one, method, noise) not in begun]
    ended = [cell for cell in begun if cell[1:] in _pairs(values[id(cell[0])])]
    left_out = [f"{method} at {noise}" for _, method, noise in ended[MOST_CELLS:]]
    return ended[:MOST_CELLS], (without("run", nothing), shown.for_want_of_room(left_out))


def _pairs(rows: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(rows["method"], rows["noise"], strict=True))


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
            style = line_style(number) | {"markevery": _every(own), "markersize": 2.6}
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


def in_training(blocks: Sequence[Shown], scored: bool) -> str:
    """What the figures in training are of: on augmented images or plain ones, as the recipes say, and which labels."""
    specs = {key for one in blocks for key in shown.ended(one)["spec_key"]}
    seen = {_augmented(orjson.loads(key)) for key in specs}
    images = ", on augmented images where the recipe augments"
    if len(seen) == 1:
        images = {True: ", on augmented images", False: ", on images as they are", None: ""}[seen.pop()]
    labels = (
        "; accuracy counts the labels that are trained on: the noisy ones, or those that the method puts in their "
        "place, of the samples that it takes"
        if scored
        else ""
    )
    return f"Train: means over the steps of the epoch{images}{labels}."


def _augmented(spec: Mapping[str, Any]) -> bool | None:
    """Whether training changes its images; None where the spec does not say. A recipe says so of every backbone: that
    of frozen features without stored views augments nothing."""
    own = (spec["method"].get("recipe") or {}).get("augment") or {}
    common = spec["recipe"].get("augment")
    return None if common is None else any({**common, **own}.values())


def _scored_in_training(values: pd.DataFrame, blocks: Sequence[Shown]) -> bool:
    """Whether the metric of the figure was counted in training: of metrics accuracy alone is."""
    metrics = {one.block.metric for one in blocks}
    return bool(((values["split"] == TRAIN) & values["figure"].isin(metrics)).any())


def _unrecorded(values: pd.DataFrame, blocks: list[Shown]) -> list[str]:
    """What of loss and metric the records do not hold."""
    told = []
    for figure in dict.fromkeys([LOSS, *(one.block.metric for one in blocks)]):
        have = set(values["split"][values["figure"] == figure])
        lacking = [split for split in SPLITS if split not in have and (split != VAL_CLEAN or figure == LOSS)]
        if lacking:
            told.append(f"the {spelled(figure)} of {' and '.join(lacking)} is not in these records")
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
