"""Maps of a model in words and tables: how far they drift from other models' maps, and what their checks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.report.document import Document, Section, grid, marked, plain
from benchmark.tables.bootstrap import sampling_half

Floats = NDArray[np.float64]

UNLEARNED = 0.5
"""Rank correlation with maps of a network that has learned nothing above which maps are not to be trusted."""
SEED = 0
"""Of the bootstrap: the same maps give the same intervals."""


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    """Of the 95 % interval over images, or over patients where they are known; NaN where they are too few for one."""
    high: float
    images: int
    undefined: int
    """Images without a value: a map is the same everywhere."""

    @property
    def text(self) -> str:
        if not self.images:
            return "-"
        ends = "" if np.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.mean:.2f}{ends}"


def interval(values: Floats, units: Sequence[str]) -> Interval:
    """Of the mean of `values` [n], one per image; `units` [n]: what is drawn as one."""
    known = ~np.isnan(values)
    if not known.any():
        return Interval(np.nan, np.nan, np.nan, 0, len(values))
    mean = float(values[known].mean())
    half = sampling_half(values[known], np.array(units)[known], np.random.default_rng(SEED))
    half = half if np.isfinite(half) else np.nan
    return Interval(mean, mean - half, mean + half, int(known.sum()), int((~known).sum()))


@dataclass(frozen=True)
class Explained:
    """What was found."""

    run: str
    """For people."""
    images: pd.DataFrame
    """A row per image: group, unit, and for each twin "drift NAME" and "overlap NAME"."""
    groups: Mapping[str, str]
    """What the groups of images are."""
    twins: Sequence[str]
    """Names of the models that the maps are compared with."""
    missing: Mapping[str, str]
    """Twin without a kept model -> the command that makes it."""
    cells: int
    """Side of the largest map before it is enlarged to the image."""
    randomized: Sequence[Floats]
    """[n] rank correlations after the last 1, 2, ... stages were drawn anew."""
    gains: Floats
    """[n] areas between deletion at random and by the map."""
    shares: Floats
    by_map: Floats
    """[n, steps] probabilities while pixels are deleted."""
    at_random: Floats
    notes: Sequence[str]


def drift_table(found: Explained) -> pd.DataFrame:
    """A row per group of images and twin."""
    rows = []
    for group in dict.fromkeys(found.images["group"]):
        of_group = found.images[found.images["group"] == group]
        for twin in found.twins:
            row: dict[str, object] = {"group": group, "twin": twin, "images": len(of_group)}
            for measure in ("drift", "overlap"):
                one = interval(of_group[f"{measure} {twin}"].to_numpy(dtype=np.float64), list(of_group["unit"]))
                ends = {"": one.mean, "_low": one.low, "_high": one.high, "_undefined": one.undefined}
                row |= {f"{measure}{name}": value for name, value in ends.items()}
                row[f"{measure}_text"] = one.text
            rows.append(row)
    return pd.DataFrame(rows)


def randomization_table(found: Explained) -> pd.DataFrame:
    units = list(found.images["unit"])
    stages = [interval(values, units) for values in found.randomized]
    return pd.DataFrame(
        {
            "stages_drawn_anew": range(1, len(stages) + 1),
            "correlation": [one.mean for one in stages],
            "low": [one.low for one in stages],
            "high": [one.high for one in stages],
            "undefined": [one.undefined for one in stages],
        }
    )


def deletion_table(found: Explained) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "deleted": found.shares,
            "probability_by_map": found.by_map.mean(axis=0),
            "probability_at_random": found.at_random.mean(axis=0),
        }
    )


def document(found: Explained) -> Document:
    return Document(
        title="Where the model looks",
        paragraphs=(
            plain(
                f"{found.run}. A map (Grad-CAM) shows what in an image speaks for the class that this run's model "
                f"predicts; the maps of the other models are for the same class. The layer has maps of {found.cells} "
                "cells a side, enlarged to the image: nothing smaller than a cell is located."
            ),
            *map(marked, found.notes),
        ),
        sections=(_drift(found), _checks(found)),
        origin=(
            "Grad-CAM: Selvaraju et al., ICCV 2017; randomization: Adebayo et al., NeurIPS 2018; deletion: Petsiuk et "
            "al., BMVC 2018",
        ),
    )


def _drift(found: Explained) -> Section:
    notes = [
        f"`{name}` is not compared, as its model was not kept; type `{found.missing[name]}`" for name in found.missing
    ]
    if not found.twins:
        return Section("Drift", (plain("There is no model to compare with."),), notes=tuple(map(marked, notes)))
    table = drift_table(found)
    rows = [
        [f"{row.group}, against {row.twin}", str(row.images), str(row.drift_text), str(row.overlap_text)]
        for row in table.itertuples()
    ]
    meanings = [f"{group}: {found.groups[group]}" for group in dict.fromkeys(table["group"])]
    undefined = int(table["drift_undefined"].sum())
    if undefined:
        meanings.append(f"{undefined} pairs have no drift, as one of the maps is the same everywhere")
    caption = plain("Means with 95 % intervals over images, or over patients where they are known")
    columns = ["images", "n", "drift (1 - rank correlation)", "overlap of the most important tenth (IoU)"]
    return Section(
        "Drift",
        (plain("0 drift: both models rank the pixels of an image alike; 1: the rankings have nothing in common."),),
        (grid(caption, columns, rows),),
        notes=tuple(map(marked, [*meanings, *notes])),
    )


def _checks(found: Explained) -> Section:
    table, units = randomization_table(found), list(found.images["unit"])
    stages = [interval(values, units) for values in found.randomized]
    rows = [[f"last {number}", one.text] for number, one in zip(table["stages_drawn_anew"], stages, strict=True)]
    gain = interval(found.gains, units)
    doubtful = stages[-1].images > 0 and stages[-1].mean > UNLEARNED
    verdict = (
        f"A network that has learned nothing gives nearly the same maps ({stages[-1].text}): do not read them."
        if doubtful
        else f"The maps depend on what was learned: with all stages drawn anew the correlation is {stages[-1].text}."
    )
    matters = gain.low > 0 if not np.isnan(gain.low) else gain.mean > 0
    lower = "" if matters else "no "
    return Section(
        "Checks of the maps",
        (
            plain(verdict),
            plain(
                f"Deleting pixels in the order of the map lowers the probability {lower}faster than in a random "
                f"order: the area between the two curves is {gain.text} (0 to 1; deletion.csv has the curves)."
            ),
        ),
        (
            grid(
                plain("Rank correlation with the maps of the trained network"),
                ["stages drawn anew", "correlation"],
                rows,
            ),
        ),
    )
