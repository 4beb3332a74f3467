"""Which method to use for given data: by noisy validation labels, as a set of methods that may be the best.

Under class-dependent noise whose matrix has its largest entries on the diagonal, noisy labels rank classifiers as true
ones do (Chen et al., arXiv 2012.04193). What they cannot tell is how far a ranking on some hundred images is luck: so
the images and the seeds are drawn anew many times, and the set holds what may be the best in nearly all draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.tables.bootstrap import Groups
from benchmark.tables.statistics import LEVEL

DRAWS = 1000
MARGIN = 0.005
"""In true accuracy: a method so close to the best is as good."""
HELD = 0.9
"""Of the draws in which the proposed set must hold a method within `MARGIN` of the best. Of .95, .9, .85 and .8 it is
the smallest by which the set held one in at least 95 % of the cells of `scripts/advise_study.py`, on 350 images too."""
LEAST_IMAGES = 100
"""Of validation images, below which no method is named."""
LARGEST_RATE = 0.9
"""Of the share of wrong labels that leaves no information: larger rates are cut there, as gains are scaled by them."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Validation:
    """What methods predicted on the same validation images: their labels may be wrong."""

    hits: Mapping[str, NDArray[np.bool_]]
    """Per method [seeds, n]: whether the prediction is the label."""
    labels: Mapping[str, NDArray[np.integer]]
    """Per method [seeds, n], from 0: where noise is drawn, each seed has its own."""
    balanced: bool
    """Whether the mean over classes counts instead of the mean over images."""
    groups: Groups | None = None
    """[n] what images belong together, such as a patient's."""

    @property
    def images(self) -> int:
        """n."""
        return next((hits.shape[1] for hits in self.hits.values()), 0)

    @property
    def classes(self) -> int:
        """That occur among the labels."""
        return len(np.unique(np.concatenate([labels.ravel() for labels in self.labels.values()])))


def scores(validation: Validation, generator: np.random.Generator) -> pd.DataFrame:
    """[1 + DRAWS, methods] scores on the noisy labels: of what is there, then of drawn images and seeds."""
    times = _times(validation, generator)
    columns = {}
    for name, hits in validation.hits.items():
        by_seed = [
            (_image_weights(times, labels) if validation.balanced else times / times.sum(1, keepdims=True)) @ right
            for right, labels in zip(hits.astype(np.float64), validation.labels[name], strict=True)
        ]
        seeds = len(hits)
        drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
        of_seeds = np.vstack([np.full((1, seeds), 1 / seeds), drawn])
        columns[name] = (np.stack(by_seed, axis=1) * of_seeds).sum(1)
    return pd.DataFrame(columns)


def _times(validation: Validation, generator: np.random.Generator) -> Floats:
    """[1 + DRAWS, n] how often an image is there: once, then as groups, or images, are drawn with replacement."""
    n = validation.images
    codes = np.arange(n) if validation.groups is None else np.unique(validation.groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    drawn = generator.multinomial(count, np.full(count, 1 / count), DRAWS)
    times: Floats = np.vstack([np.ones((1, count), dtype=np.int64), drawn])[:, codes].astype(np.float64)
    return times


def _image_weights(times: Floats, labels: NDArray[np.integer]) -> Floats:
    """[1 + DRAWS, n] what an image counts where each class that was drawn counts the same."""
    of_class = labels[:, None] == np.unique(labels)
    sizes = times @ of_class
    present = sizes > 0
    share = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=present) / present.sum(1, keepdims=True)
    weighted: Floats = times * (share @ of_class.T)
    return weighted


def recommend(validation: Validation, baseline: str, rate: float, generator: np.random.Generator) -> pd.DataFrame:
    """One row per method, the best score first: score (on the noisy labels), gain, low, high, best, chosen.

    gain: expected lead over `baseline` in true accuracy, with the ends of its 95 % interval. A lead on labels of which
    a share `rate` is wrong is too small: with r wrong ones, spread evenly over the K - 1 other classes, true accuracy
    moves by 1 / (1 - r K / (K - 1)) times as much. best: probability of being the best. chosen: whether it is in the
    smallest set (found greedily) that holds, in a share `HELD` of the draws, a method within `MARGIN` of the best one.
    Raises ValueError where `baseline` has no predictions.
    """
    if baseline not in validation.hits:
        raise ValueError(f"no predictions of {baseline!r}, which gains are told over")
    classes = validation.classes
    scale = 1 - min(rate, LARGEST_RATE * (classes - 1) / classes) * classes / (classes - 1) if classes > 1 else 1.0
    drawn = scores(validation, generator)
    observed, resampled = drawn.iloc[0], drawn.iloc[1:]
    lead = resampled.sub(resampled[baseline], axis=0) / scale
    winners = resampled.eq(resampled.max(axis=1), axis=0)
    good = resampled.ge(resampled.max(axis=1) - MARGIN * scale, axis=0)
    chosen = _smallest_set(good)
    found = pd.DataFrame(
        {
            "score": observed,
            "gain": (observed - observed[baseline]) / scale,
            "low": lead.quantile((1 - LEVEL) / 2),
            "high": lead.quantile((1 + LEVEL) / 2),
            "best": winners.div(winners.sum(axis=1), axis=0).mean(),
            "chosen": [name in chosen for name in drawn],
        }
    )
    return found.sort_values("score", ascending=False, kind="stable")


def _smallest_set(good: pd.DataFrame) -> list[str]:
    """Methods, greedily, until one of them is `good` [draws, methods] in a share `HELD` of the draws."""
    open_draws = np.ones(len(good), dtype=bool)
    chosen: list[str] = []
    while open_draws.mean() > 1 - HELD:
        gained = good[open_draws].sum()
        name = str(gained.idxmax())
        chosen.append(name)
        open_draws &= ~good[name].to_numpy()
    return chosen
