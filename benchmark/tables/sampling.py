"""How much the choice of the test images decides: two methods on the same images, right or wrong image by image.

Seeds show how a training varies; they all share one test set, so they never show what another one would say.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.tables.bootstrap import Groups, sampling_error, sampling_half

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def right_flags(packed: str, size: int) -> Flags:
    """[size] whether each test image was classified right, from the bits that a record holds (`metrics.Outcome`).

    Raises ValueError where the bits are not those of so many images.
    """
    content = np.frombuffer(base64.b64decode(packed, validate=True), dtype=np.uint8)
    if len(content) != -(-size // 8):
        raise ValueError(f"{8 * len(content)} bits do not fit a test set of {size} images")
    return np.unpackbits(content)[:size].astype(bool)


def mcnemar_p(first_only: int, second_only: int) -> float:
    """Two-sided p of the exact McNemar test (Psychometrika 1947): of the images that one method alone has right, each
    is as likely the first's as the second's, if both are equally good."""
    from scipy.special import bdtr  # the binomial distribution without scipy.stats, which takes a second to import

    discordant = first_only + second_only
    return float(min(1.0, 2 * bdtr(min(first_only, second_only), discordant, 0.5)))


def false_outperformance(first_only: float, second_only: float) -> float:
    """Probability that the second method is truly at least as accurate as the first, by one test set.

    `first_only`, `second_only`: numbers of images that only one of the two has right. Christodoulou et al., "False
    promises in medical imaging AI?" (MICCAI 2025, arXiv 2505.04720, the tool Claims Reloaded): under a flat prior the
    shares of images that only the first, only the second, and both or none have right follow a Dirichlet distribution
    with parameters `first_only` + 1, `second_only` + 1 and the rest. The first of these shares, divided by the
    sum of the first two, is then Beta distributed, and the probability is that it is at most one half.
    """
    from scipy.special import betainc

    return float(betainc(first_only + 1, second_only + 1, 0.5))


def false_lead(differences: Floats, groups: Groups | None) -> float:
    """The same of means over runs: `differences` [n] of the per-image means of the first and the second method.

    The formula that the paper uses for scores per case: the posterior of the mean difference is a t distribution
    around it, with n - 1 degrees of freedom; with `groups` [n] of images, one less than there are groups. .5 where all
    differences are zero.
    """
    from scipy.special import stdtr

    mean, error, count = sampling_error(differences, groups)
    if not error > 0:
        return 0.5 if mean == 0 or count < 2 else float(mean < 0)
    return float(stdtr(count - 1, -mean / error))


@dataclass(frozen=True)
class Pairs:
    """The runs of two methods under one noise, of equal seeds, on one test set of n images."""

    first: Flags
    """[runs, n] whether the first method's run has the image right."""
    second: Flags
    groups: Groups | None
    """[n] what images belong together, such as those of a patient; None where that is not known."""
    weights: Floats | None
    """[n] of the images in the metric, with mean 1; None for accuracy, where all count the same."""


def duel(by_noise: Mapping[str, Pairs], generator: np.random.Generator) -> pd.DataFrame:
    """The lead of the first method over the second per noise, and over all of it in the row "all".

    Columns: images, groups (their number; NaN where unknown), runs, lead (difference of the metric, mean over runs),
    half (of its 95 % interval over test sets, for the networks as they are), false (probability that the lead is
    false, `false_lead`), first_only and second_only (images that one alone has right, mean over runs), and the medians
    over runs of what a single run would say: run_false (`false_outperformance`) and run_p (`mcnemar_p`). These are of
    right and wrong images whatever the metric. In the row "all" those of single runs are NaN: under several kinds of
    noise the same images count again.
    """
    rows = {noise: _row(pairs, generator) for noise, pairs in by_noise.items()}
    (one, *_) = by_noise.values()
    together = np.mean([_differences(pairs) for pairs in by_noise.values()], axis=0)
    runs = sum(len(pairs.first) for pairs in by_noise.values())
    rows["all"] = _lead(together, one.groups, runs, generator)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("noise")


def _differences(pairs: Pairs) -> Floats:
    """[n] per image the mean over runs, weighted as in the metric."""
    difference = pairs.first.mean(axis=0) - pairs.second.mean(axis=0)
    weighted: Floats = difference if pairs.weights is None else difference * pairs.weights
    return weighted


def _row(pairs: Pairs, generator: np.random.Generator) -> dict[str, float]:
    first = (pairs.first & ~pairs.second).sum(axis=1)
    second = (pairs.second & ~pairs.first).sum(axis=1)
    counts = list(zip(first.tolist(), second.tolist(), strict=True))
    return {
        **_lead(_differences(pairs), pairs.groups, len(pairs.first), generator),
        "first_only": float(first.mean()),
        "second_only": float(second.mean()),
        "run_false": float(np.median([false_outperformance(*pair) for pair in counts])),
        "run_p": float(np.median([mcnemar_p(*pair) for pair in counts])),
    }


def _lead(differences: Floats, groups: Groups | None, runs: int, generator: np.random.Generator) -> dict[str, float]:
    return {
        "images": len(differences),
        "groups": float("nan") if groups is None else len(np.unique(groups)),
        "runs": runs,
        "lead": float(differences.mean()),
        "half": sampling_half(differences, groups, generator),
        "false": false_lead(differences, groups),
    }
