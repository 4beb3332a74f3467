"""Every method against every other: mean difference, wins, ties and losses, and an exact p."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

from benchmark.tables.order import holm
from benchmark.tables.sign_flip import least_p, sign_flip_p
from benchmark.tables.statistics import LEVEL, t_factor

ROPE = 0.01
"""Region of practical equivalence: a difference of at most so much is a tie."""

_TIE = 1e-9
"""Of a difference that is the rope but for the rounding of sums."""


def wins_ties_losses(differences: pd.DataFrame, rope: float) -> pd.DataFrame:
    """Of `differences` [units, columns]: per column how many units are above `rope`, within it, and below -`rope`.

    A unit with NaN in a column counts nowhere.
    """
    wins, losses = (differences > rope + _TIE).sum(), (differences < -rope - _TIE).sum()
    return pd.DataFrame({"wins": wins, "ties": differences.notna().sum() - wins - losses, "losses": losses})


def comparison_matrix(scores: pd.DataFrame, rope: float, generator: np.random.Generator) -> pd.DataFrame:
    """The multi-comparison matrix (Ismail-Fawaz et al., arXiv 2305.11921, 2023) of `scores` [units, methods].

    Higher is better. One row per ordered pair (method, other) of different methods, the methods by their mean scores:
    units, difference (mean of method - other), half (of its 95 % t interval), wins, ties, losses (of the method, with
    `rope`), p (`sign_flip_p`) and p_holm (corrected over all pairs). What a pair says depends on no third method, but
    for the correction. Units with NaN are left out of every pair.
    """
    scores = scores.dropna()
    order = scores.mean().sort_values(ascending=False, kind="stable").index
    values = scores[order].to_numpy(dtype=np.float64)
    first, second = np.triu_indices(len(order), 1)
    differences = pd.DataFrame(values[:, first] - values[:, second])
    pairs = wins_ties_losses(differences, rope)
    pairs.insert(0, "method", order[first])
    pairs.insert(1, "other", order[second])
    pairs.insert(2, "units", len(scores))
    pairs.insert(3, "difference", differences.mean())
    pairs.insert(4, "half", t_factor(len(scores)) * differences.std())
    pairs["p"] = sign_flip_p(differences.to_numpy(), generator) if len(scores) else np.nan
    pairs["p_holm"] = holm(pairs["p"].to_numpy())
    mirrored = pairs.rename(columns={"method": "other", "other": "method", "wins": "losses", "losses": "wins"})
    both = pd.concat([pairs, mirrored.assign(difference=-pairs["difference"])], ignore_index=True)[pairs.columns]
    place = pd.Series(range(len(order)), index=order)
    by_place = both.assign(row=both["method"].map(place), column=both["other"].map(place))
    return both.loc[by_place.sort_values(["row", "column"]).index].set_index(["method", "other"])


def telling(units: int, pairs: int) -> bool:
    """Whether the exact test of so many units, corrected over `pairs`, can give another p than 1."""
    return least_p(units) * pairs < 1


def reach(units: int, pairs: int) -> str:
    """The sentence on what the exact test of so many units can reach, alone and corrected over `pairs`."""
    least = least_p(units)
    alpha = 1 - LEVEL
    text = f"an exact sign-flip test of n = {units} cannot go below p = {least:.3g}"
    if least > alpha:
        return f"{text}: no difference can be shown with fewer than {_needed(1)}"
    if least * pairs > alpha:
        needed = _needed(pairs)
        return f"{text}; corrected over {pairs} pairs (Holm) no p can be below {alpha:.2g} with fewer than {needed}"
    return text


def critical_difference(methods: int, units: int) -> float:
    """By how much the average ranks of `methods` over `units` data sets must differ (Nemenyi test, 95 %).

    Source: Demšar, JMLR 2006, who asks for more than five data sets.
    """
    studentized = float(studentized_range.ppf(LEVEL, methods, np.inf)) / 2**0.5
    return studentized * (methods * (methods + 1) / (6 * units)) ** 0.5


def _needed(pairs: int) -> int:
    units = 1
    while least_p(units) * pairs > 1 - LEVEL:
        units += 1
    return units
