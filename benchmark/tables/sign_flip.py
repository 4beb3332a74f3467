"""The exact sign-flip test of a mean difference of pairs: no distribution is assumed but that of a coin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_UNITS = 30
"""Of more pairs only as many flips as `DRAWS` are tried, drawn at random."""

DRAWS = 100_000
TIE = 1e-9
"""Sums that differ by less than this share of the largest possible one are equal: sums of decimal fractions are not
exact."""

Floats = NDArray[np.float64]


def least_p(units: int) -> float:
    """The smallest p that the two-sided test of `units` pairs can give: .25 of three, .0625 of five."""
    return min(1.0, 0.5 ** (units - 1))


def sign_flip_p(differences: Floats, generator: np.random.Generator) -> Floats:
    """Two-sided p per column of `differences` [units, tests]: the share of the flips of signs, all 2^units of them,
    whose mean is at least as far from zero as the observed one (Fisher, 1935).

    If both members of every pair are equally good, each difference is as likely as its negative. Sums of flipped
    halves of the units are enumerated, sorted and matched, so that 20 units take 2 x 1024 sums. NaN where a difference
    is NaN. `generator` is used with more than `MAX_UNITS` units only.
    """
    units, tests = differences.shape
    count = _drawn if units > MAX_UNITS else _counted
    p = np.full(tests, np.nan)
    for test in np.flatnonzero(np.isfinite(differences).all(axis=0)):
        values = differences[:, test]
        bound = abs(values.sum()) - TIE * abs(values).sum()
        p[test] = 1.0 if bound <= 0 else count(values, bound, generator)
    return p


def _counted(values: Floats, bound: float, generator: np.random.Generator) -> float:
    first, second = np.split(values, [len(values) // 2])
    left, right = _sums(first), np.sort(_sums(second))
    above = len(right) - np.searchsorted(right, bound - left, side="left")
    return float(2 * above.sum() / (len(left) * len(right)))  # sums come in pairs of opposite sign


def _sums(values: Floats) -> Floats:
    """All sums of `values` with either sign, [2^len]."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn(values: Floats, bound: float, generator: np.random.Generator) -> float:
    """The observed signs count as one of the draws, which keeps the test valid (Phipson & Smyth, 2010)."""
    flips = generator.integers(0, 2, (DRAWS, len(values)), dtype=np.int8) * 2 - 1
    return float((1 + (abs(flips @ values) >= bound).sum()) / (1 + DRAWS))
