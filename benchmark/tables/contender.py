"""One method against all others of a block: who is ahead, by how much, and what it would take to tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.tables.comparison import Block
from benchmark.tables.matrix import wins_ties_losses
from benchmark.tables.order import MIN_UNITS, differing, pairwise
from benchmark.tables.per_seed import seed_means
from benchmark.tables.statistics import LEVEL, t_factor

MOST_SEEDS = 1000
"""With more seeds than that, a difference is not worth resolving."""


@dataclass(frozen=True)
class Contest:
    """A method's comparison with every other ranked method of its tuning budget."""

    repetitions: int
    """Seeds that all of them have."""
    others: pd.DataFrame
    """Per other method, best first: lead (mean difference in favour of the contender), half (of its 95 % t interval),
    wins, ties, losses (noisy columns), verdict ("ahead", "behind", or "open", as in `order.differing`; empty below
    `MIN_UNITS` seeds), further (seeds beyond those that there are with which such a lead would be told, NaN
    where it is told or with more than `MOST_SEEDS`)."""


def contest(block: Block, method: str, rope: float) -> Contest | None:
    """None where `method` is not ranked in the block. `rope`: differences of cells within it are ties."""
    row = block.methods.loc[method]
    if pd.isna(row["rank"]):
        return None
    same = block.methods[block.methods["rank"].notna() & (block.methods["tuned"] == row["tuned"])]
    scores = seed_means(block.valued, block.noisy, list(same.index)).dropna()
    sign = -1 if block.metric in LOWER_IS_BETTER else 1
    scores = sign * scores[[method, *(name for name in same.index if name != method)]]
    means = sign * block.cells["mean"].unstack("noise").loc[scores.columns, list(block.noisy)].T
    margins = means.drop(columns=method).rsub(means[method], axis=0)
    count = len(scores)
    differences = scores.drop(columns=method).rsub(scores[method], axis=0)
    others = pd.DataFrame({"lead": differences.mean(), "half": t_factor(count) * differences.std()})
    others = others.join(wins_ties_losses(margins, rope))
    others["verdict"] = _verdicts(scores) if count >= MIN_UNITS else ""
    told = others["verdict"].isin(["ahead", "behind"]) | (count < 2)
    further = [_needed(mean, spread, len(others)) - count for mean, spread in _moments(differences)]
    others["further"] = np.where(told, np.nan, further)
    return Contest(count, others)


def _verdicts(scores: pd.DataFrame) -> list[str]:
    """Of the columns after the first, whether the first is ahead of them."""
    tests = pairwise(scores)
    return [
        "open" if not certain else "ahead" if lead > 0 else "behind"
        for certain, lead in zip(differing(tests)[0, 1:], tests.difference[0, 1:], strict=True)
    ]


def _moments(differences: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(abs(differences.mean()), differences.std(), strict=True))


def _needed(lead: float, spread: float, tests: int) -> float:
    """The least number of seeds with which a lead of that size is told among so many tests; NaN above MOST_SEEDS."""
    from scipy.special import stdtrit

    counts = np.arange(MIN_UNITS, MOST_SEEDS + 1)
    critical = stdtrit(counts - 1, 1 - (1 - LEVEL) / 2 / tests)
    enough = counts[critical * spread / np.sqrt(counts) < lead]
    return float(enough[0]) if len(enough) else float("nan")
