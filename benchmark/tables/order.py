"""The order of methods as far as the data resolve it: intervals of places, tie groups, the probability of being best.

All functions take scores [units, methods] without NaN, where higher is better. Units are independent and paired: every
method has a score of each seed, or of each data set.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import networkx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.tables.statistics import LEVEL

MIN_UNITS = 6
"""With fewer units no order is claimed: the exact sign-flip test of five pairs cannot go below p = .0625."""

DRAWS = 10_000

LEAST_RANGE = 4
"""Letters in a row that are shown as a range."""
ORDER = ["repetitions", "low", "high", "group", "best"]
"""Columns of `resolve`."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairwise:
    """Every method (row) against every other (column): paired t tests over the units, two-sided."""

    difference: Floats
    """Mean of row - column [methods, methods]."""
    p: Floats
    """Without correction; 1 on the diagonal."""


def pairwise(scores: pd.DataFrame) -> Pairwise:
    from scipy.special import stdtr  # the t distribution without scipy.stats, which takes a second to import

    values = scores.to_numpy(dtype=np.float64)
    count = len(values)
    means = values.mean(axis=0)
    difference = means[:, None] - means[None, :]
    centred = values - means
    # The variance of each difference from the differences themselves: covariances would cancel digits.
    spread = np.stack([((centred[:, [i]] - centred) ** 2).sum(axis=0) for i in range(centred.shape[1])])
    error = np.sqrt(spread / (count - 1) / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0, 0.0, difference / error)
    return Pairwise(difference, 2 * stdtr(count - 1, -np.abs(t)))


def holm(p: Floats) -> Floats:
    """p-values [tests], corrected so that all claims at a level hold together with that error (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def resolve(scores: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Per method: repetitions (units), low and high (95 % interval of its place, 1 is best), group (letters of those
    that are not told apart), best (probability of it).

    Places and groups are of the same tests, `differing`: a method's interval leaves out the places of those from which
    it differs, and methods share a letter if and only if they do not differ. All that is said of one method
    holds together with at least 95 %, more where methods are tied: its interval covers its place, and it shares a
    letter with every method that is truly equal. With fewer than `MIN_UNITS` units, or of one
    method alone, nothing is resolved.
    """
    count = scores.shape[1]
    if len(scores) < MIN_UNITS or count < 2:
        unresolved = {"repetitions": len(scores), "low": 1, "high": count, "group": "", "best": np.nan}
        return pd.DataFrame(unresolved, index=scores.columns)
    tests = pairwise(scores)
    different = differing(tests)
    return pd.DataFrame(
        {
            "repetitions": len(scores),
            "low": 1 + (different & (tests.difference < 0)).sum(axis=1),
            "high": count - (different & (tests.difference > 0)).sum(axis=1),
            "group": letters(different, scores.mean().to_numpy()),
            "best": probability_of_best(scores, generator),
        },
        index=scores.columns,
    )


def differing(tests: Pairwise) -> Flags:
    """Which methods differ [methods, methods], at 95 % for all that is said of one method.

    The tests of one method against all others are corrected by Holm, which gives the interval of its place (Klein,
    Wright & Wieczorek, JRSS A 2020; Mogstad et al., Review of Economic Studies 2024). A pair belongs to the tests of
    two methods, and differs where it does in both: else one method would be said to differ from another that is said
    not to differ from it. Intervals can only become wider by that.
    """
    own = np.stack([_holm_of_row(row, position) for position, row in enumerate(tests.p)])
    sure = own < 1 - LEVEL
    return sure & sure.T


def _holm_of_row(p: Floats, own: int) -> Floats:
    return np.insert(holm(np.delete(p, own)), own, 1.0)


def probability_of_best(scores: pd.DataFrame, generator: np.random.Generator) -> Floats:
    """Per method the share of draws of the true means in which it is the best; ties share a draw.

    Draws are from the multivariate t distribution around the observed means whose margins are the t intervals: the
    posterior under a flat prior. Deviations of units are weighted at random, so that pairs stay paired.
    """
    values = scores.to_numpy(dtype=np.float64)
    count = len(values)
    centred = values - values.mean(axis=0)
    weights = generator.standard_normal((DRAWS, count))
    scale = np.sqrt((count - 1) / generator.chisquare(count - 1, (DRAWS, 1)) / count / (count - 1))
    drawn = values.mean(axis=0) + scale * (weights @ centred)
    best = drawn == drawn.max(axis=1, keepdims=True)
    shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def letters(different: Flags, means: Floats) -> list[str]:
    """Compact letters (Piepho, JCGS 2004): two methods share one if and only if they are not `different`.

    `different`: symmetric [methods, methods]. The best of `means` has an "a".
    """
    order = np.argsort(-means, kind="stable")
    same = networkx.from_numpy_array(~different[np.ix_(order, order)])
    groups = list(_needed(sorted(map(sorted, networkx.find_cliques(same)))))
    text = [""] * len(order)
    for letter, group in zip(_alphabet(), groups, strict=False):
        for place in group:
            text[order[place]] += letter
    return text


def split_letters(group: str) -> list[str]:
    """The letters of a group: "za2" is z and a2."""
    return re.findall(r"[a-z]\d*", group)


def short_letters(group: str) -> str:
    """The letters as a reader takes them in: "bdefgh" is "b d-h", four or more in a row being a range."""
    runs: list[list[str]] = []
    for letter in split_letters(group):
        if runs and _position(letter) == _position(runs[-1][-1]) + 1:
            runs[-1].append(letter)
        else:
            runs.append([letter])
    if all(len(run) < LEAST_RANGE for run in runs):
        return group
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) >= LEAST_RANGE else "".join(run) for run in runs)


def letters_told(groups: Sequence[str]) -> str:
    """How to read the letters of these groups, as far as that is not plain."""
    shown = [short_letters(group) for group in groups]
    told = []
    if any("-" in group for group in shown):
        told.append("e-i stands for the letters from e to i")
    if any(letter[1:] for group in groups for letter in split_letters(group)):
        told.append("after z come a2, b2 and so on")
    return f" ({'; '.join(told)})" if told else ""


def _position(letter: str) -> int:
    """In the alphabet of `letters`."""
    return string.ascii_lowercase.index(letter[0]) + 26 * (int(letter[1:] or 1) - 1)


def _needed(groups: list[list[int]]) -> Iterator[list[int]]:
    """Leaves out groups whose every pair is in another group."""
    pairs = [{(i, j) for i in group for j in group if i <= j} for group in groups]
    kept = list(range(len(groups)))
    for position in sorted(kept, key=lambda number: len(groups[number])):
        others = set().union(*(pairs[number] for number in kept if number != position))
        if pairs[position] <= others:
            kept.remove(position)
    yield from (groups[number] for number in kept)


def _alphabet() -> Iterator[str]:
    """a to z, then each with a number: a2, b2, ..."""
    yield from string.ascii_lowercase
    number = 2
    while True:
        yield from (f"{letter}{number}" for letter in string.ascii_lowercase)
        number += 1
