"""Bootstrap intervals that hold at six units: symmetric bootstrap-t, over data sets with seeds below, and over images.

A percentile bootstrap covers .85 instead of .95 at six units; `tests/tables/test_bootstrap.py` prints what these cover.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.tables.statistics import LEVEL

DRAWS = 2000

Floats = NDArray[np.float64]
Groups = NDArray[np.generic]


def hierarchical_half(runs: pd.DataFrame, generator: np.random.Generator) -> pd.Series:
    """Half width of the 95 % interval of each column's mean over units, of `runs` [(unit, run), columns] without NaN.

    The first level of the index is the unit, such as the data set. The mean is over the means of units, so that each
    counts the same however many runs it has. Units are drawn with replacement, then runs within each drawn unit. Each
    draw's mean is studentized by the spread of its units, and the interval is the observed mean plus and minus the
    95 % quantile of the absolute values times the observed standard error (symmetric bootstrap-t, Hall, JRSS B 1988),
    widened by the root of n / (n - 1): n units drawn from n vary by that much less than the population does
    (narrowness bias; Hesterberg, The American Statistician 2015). Without it skewed units are covered at .92 for n = 6.
    NaN of fewer than two units.
    """
    runs = runs.sort_index()
    codes = pd.factorize(runs.index.get_level_values(0), sort=True)[0]
    sizes = np.bincount(codes)
    count = len(sizes)
    if count < 2:
        return pd.Series(np.nan, index=runs.columns)
    padded = np.zeros((count, sizes.max(), runs.shape[1]))
    for number in range(count):
        padded[number, : sizes[number]] = runs.to_numpy(dtype=np.float64)[codes == number]
    units = generator.integers(count, size=(DRAWS, count))
    size = sizes[units]
    draw = (generator.random((DRAWS, count, sizes.max())) * size[:, :, None]).astype(np.intp)
    drawn_runs = np.arange(sizes.max()) < size[:, :, None]
    halves = [_half(padded[:, :, column], sizes, units, draw, drawn_runs) for column in range(runs.shape[1])]
    return pd.Series(halves, index=runs.columns) * (count / (count - 1)) ** 0.5


def _half(
    values: Floats,
    sizes: NDArray[np.int_],
    units: NDArray[np.int_],
    draw: NDArray[np.int_],
    drawn_runs: NDArray[np.bool_],
) -> float:
    means = values.sum(axis=1) / sizes
    drawn = np.where(drawn_runs, values[units[:, :, None], draw], 0.0).sum(axis=2) / sizes[units]
    away = abs(drawn.mean(axis=1) - means.mean())
    return _interval(away, _error(drawn), float(_error(means)))


def _error(means: Floats) -> Floats:
    """Standard error of the mean along the last axis."""
    count = means.shape[-1]
    error: Floats = means.std(axis=-1, ddof=1) / np.sqrt(count)
    return error


def _interval(away: Floats, errors: Floats, error: float) -> float:
    """Half width by the 95 % quantile of `away` / `errors` of the draws and the observed standard error."""
    if error == 0:
        return 0.0
    studentized = np.divide(away, errors, out=np.where(away > 0, np.inf, 0.0), where=errors > 0)
    return float(np.quantile(studentized, LEVEL, method="higher") * error)


def sampling_error(values: Floats, groups: Groups | None) -> tuple[float, float, int]:
    """Mean of `values` [n], one per test image, its standard error over test sets, and the number of groups.

    With `groups` [n], such as patients, whole groups are what is independent, and the error is that of a ratio (sums
    over sizes), as groups differ in size. Without them each image is a group. The error is NaN of a single group.
    """
    sums, sizes = _clusters(values, groups)
    means, errors = _ratios(np.ones((1, len(sums))), sums, sizes)
    return float(means[0]), float(errors[0]), len(sums)


def sampling_half(values: Floats, groups: Groups | None, generator: np.random.Generator) -> float:
    """Half width of the 95 % interval of the mean of `values` [n], one per image, over test sets that could have been.

    Images are drawn with replacement, or with `groups` [n] whole groups. Symmetric bootstrap-t with the error of
    `sampling_error`. Images (groups) with the same values are drawn as one kind with its count. NaN of a single group.
    """
    sums, sizes = _clusters(values, groups)
    if len(sums) < 2:
        return float("nan")
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    drawn = generator.multinomial(len(sums), counts / len(sums), DRAWS)
    means, errors = _ratios(np.vstack([counts, drawn]).astype(np.float64), *kinds.T)
    return _interval(abs(means[1:] - means[0]), errors[1:], float(errors[0]))


def _clusters(values: Floats, groups: Groups | None) -> tuple[Floats, Floats]:
    """Sums and sizes [groups]."""
    codes = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums: Floats = np.bincount(codes, weights=values).astype(np.float64)
    return sums, np.bincount(codes).astype(np.float64)


def _ratios(weights: Floats, sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Means and standard errors [draws] of test sets that hold each kind of group `weights` [draws, kinds] times."""
    groups, total = weights.sum(axis=1), weights @ sizes
    means = weights @ sums / total
    square = weights @ sums**2 - 2 * means * (weights @ (sums * sizes)) + means**2 * (weights @ sizes**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: Floats = np.sqrt(np.maximum(square, 0) * groups / (groups - 1)) / total
    return means, errors
