"""What reading labels again would buy: a simulated reader, many orders of reading, and a rule for when to stop.

By rate r and budget b (shares of all labels) no order finds more than min(1/r, 1/b) times what reading at random finds.
The idea of such curves with an oracle bound: Bernhardt et al., Active label cleaning, Nature Communications 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benchmark.labels.detectors import Verdict
from benchmark.labels.detectors.base import TINY

WINDOW = 50
"""Labels that a reader looks back on to decide whether to stop."""
WORTH = 0.1
"""Share of them that must have been wrong to go on: one in ten, the reader's time against an error found."""

LEGEND = {
    "detector": "what the doubt about a label is told by",
    "order": "in which labels are read: quality (the most doubtful first), uncertainty (those of images of which the "
    "networks are least sure), both (doubtful ones of which the networks are sure), class-balanced (the most doubtful "
    "one of each class in turn), random, and perfect (all wrong ones first)",
    "read": "labels that have been read",
    "found": "wrong ones among them",
    "share_of_ceiling": "these, as a share of what the perfect order finds",
    "lift": "these, as a multiple of what is found on average at random",
    "left": "share of all labels that is wrong afterwards, the reader's own errors among them",
    "stop": f"labels after which a reader stops who does so once fewer than one in {1 / WORTH:.0f} of the last "
    f"{WINDOW} had to be changed",
}
"""What the columns of `simulate` hold."""


@dataclass(frozen=True)
class Labels:
    """n labels of which the truth is known."""

    given: np.ndarray
    truth: np.ndarray
    """[n] true classes; negative: the image is of no class, and its label counts as wrong."""
    num_classes: int

    @property
    def wrong(self) -> np.ndarray:
        """[n] bool."""
        return np.asarray(self.given != self.truth)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    """[n] in nats."""
    return -np.asarray((probabilities * np.log(np.maximum(probabilities, TINY))).sum(1))


def _quality(verdict: Verdict, given: np.ndarray) -> np.ndarray:
    return verdict.score


def _uncertainty(verdict: Verdict, given: np.ndarray) -> np.ndarray:
    return -_entropy(verdict.probabilities)


def _both(verdict: Verdict, given: np.ndarray) -> np.ndarray:
    """Ranks: doubtful labels first, and among equally doubtful ones those of which the network is surer.

    As the score of Bernhardt et al., cross entropy minus entropy, but without a scale of the detector's.
    """
    return rankdata(verdict.score) / len(given) + _entropy(verdict.probabilities) / np.log(
        verdict.probabilities.shape[1]
    )


def _balanced(verdict: Verdict, given: np.ndarray) -> np.ndarray:
    """The most doubtful label of each given class, then the second one of each, and so on."""
    order = np.argsort(verdict.score, kind="stable")
    place = np.empty(len(given))
    for label in np.unique(given):
        members = order[given[order] == label]
        place[members] = np.arange(len(members))
    return place + rankdata(verdict.score) / (len(given) + 1)


ACQUISITIONS: dict[str, Callable[[Verdict, np.ndarray], np.ndarray]] = {
    "quality": _quality,
    "uncertainty": _uncertainty,
    "both": _both,
    "class-balanced": _balanced,
}
"""Name -> [n] values by which labels are read, the lowest first, from a verdict and the given labels [n]."""


def orders(verdict: Verdict, labels: Labels, seed: int) -> dict[str, np.ndarray]:
    """[n] orders of reading by name: those of ACQUISITIONS, one at random, and the perfect one."""
    by_name = {name: np.argsort(value(verdict, labels.given), kind="stable") for name, value in ACQUISITIONS.items()}
    shuffled = np.random.default_rng(seed).permutation(len(labels.given))
    return {**by_name, "random": shuffled, "perfect": shuffled[np.argsort(~labels.wrong[shuffled], kind="stable")]}


def read_again(labels: Labels, order: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    """[n] labels of a reader who looks at each image once: the true class with probability `accuracy`, else another
    class, all equally likely.

    The same reader says the same of an image in every order. An image of no class is kept as it is: see `Labels`.
    """
    rng = np.random.default_rng(seed)
    n, others = len(labels.given), labels.num_classes - 1
    errs = rng.random(n) >= accuracy
    other = (labels.truth + 1 + rng.integers(0, others, n)) % labels.num_classes
    answers = np.where(errs, other, labels.truth)
    return np.asarray(answers[order])


def curve(labels: Labels, order: np.ndarray, answers: np.ndarray, budgets: np.ndarray) -> pd.DataFrame:
    """What is known after the first labels of `order` were read, for each of `budgets` [m] (numbers of labels).

    Columns: read; found (wrong labels among them); share_of_ceiling (found, of what the best order finds); lift (found,
    as multiple of reading at random); left (share of all labels that is wrong then, the reader's errors among them).
    `answers` are in the order of reading.
    """
    wrong = labels.wrong[order]
    found = np.concatenate([[0], np.cumsum(wrong)])[budgets]
    errors, n = int(wrong.sum()), len(order)
    mended = np.concatenate([[0], np.cumsum(wrong.astype(int) - (answers != labels.truth[order]))])[budgets]
    return pd.DataFrame(
        {
            "read": budgets,
            "found": found,
            "share_of_ceiling": found / np.maximum(np.minimum(budgets, errors), 1),
            "lift": found / np.maximum(budgets * errors / n, TINY),
            "left": (errors - mended) / n,
        }
    )


def stops_at(labels: Labels, order: np.ndarray, answers: np.ndarray) -> int:
    """Number of labels after which the reader stops: less than WORTH of the last WINDOW that were read were changed.

    All labels where that never happens.
    """
    changed = np.cumsum(np.concatenate([[0], answers != labels.given[order]]))
    recent = changed[WINDOW:] - changed[:-WINDOW]
    few = np.flatnonzero(recent < WORTH * WINDOW)
    return int(few[0]) + WINDOW if len(few) else len(order)


def simulate(
    verdicts: Mapping[str, Verdict], labels: Labels, budgets: np.ndarray, *, accuracy: float, seed: int
) -> pd.DataFrame:
    """The curves of all detectors and orders: columns detector, order, those of `curve`, and stop (see `stops_at`).

    Random and perfect order stand once, with an empty detector.
    """
    parts: list[pd.DataFrame] = []
    for detector, verdict in verdicts.items():
        for name, order in orders(verdict, labels, seed).items():
            bound = name in ("random", "perfect")
            if bound and detector != next(iter(verdicts)):
                continue
            answers = read_again(labels, order, accuracy, seed + 1)
            rows = curve(labels, order, answers, budgets).assign(stop=stops_at(labels, order, answers))
            parts.append(rows.assign(detector="" if bound else detector, order=name))
    table = pd.concat(parts, ignore_index=True)
    return table[["detector", "order", *[name for name in table if name not in ("detector", "order")]]]
