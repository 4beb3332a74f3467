"""Ranks samples by how doubtful their labels are, and scores rankings where the wrong labels are known.

Flags nothing: cleanlab's filters flag half too many on some data, while a person who reviews labels has time for a
fixed number of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.labels.detectors import Verdict
from benchmark.noise.rate_estimate import confident_joint

BUDGETS = (50, 100, 200, 500, 1000, 2000)


def rank(labels: np.ndarray, verdict: Verdict) -> pd.DataFrame:
    """All samples, the most suspicious first, with the columns index, given_label, suggested_label,
    suggested_probability, score and estimated_noise_rate.

    `labels` [n] are the given ones. The suggestion is the likeliest class of the verdict; ties of the score stay in
    order. The noise rate is that of the given class: the share of labels of this class that are wrong, as cleanlab
    estimates it. Raises ValueError for a verdict of another shape or that is not finite.
    """
    scores, probabilities = verdict.score, verdict.probabilities
    finite = np.isfinite(probabilities).all() and np.isfinite(scores).all()
    if probabilities.ndim != 2 or not len(scores) == len(probabilities) == len(labels) or not finite:
        raise ValueError(
            f"a verdict of shapes {scores.shape} and {probabilities.shape} for {len(labels)} labels; expected one "
            "finite score and row each"
        )
    order = np.argsort(scores, kind="stable")
    table = {
        "index": np.arange(len(labels)),
        "given_label": labels,
        "suggested_label": probabilities.argmax(1),
        "suggested_probability": probabilities.max(1),
        "score": scores,
        "estimated_noise_rate": _rate_per_class(labels, probabilities)[labels],
    }
    return pd.DataFrame({name: values[order] for name, values in table.items()})


def _rate_per_class(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """[K] estimated share of wrong labels among those given as each class; NaN for a class that is never given."""
    present, joint = confident_joint(labels, probabilities)
    rates = np.full(probabilities.shape[1], np.nan)
    rates[present] = 1 - np.diagonal(joint) / joint.sum(1)
    return rates


def judge(wrong: np.ndarray, scores: np.ndarray, budgets: Sequence[int] = BUDGETS) -> dict[str, Any]:
    """How well a ranking finds the wrong labels, where they are known.

    `wrong` [n] bool and `scores` [n], in any common order. Gives auroc, average_precision (null where all or no
    label is wrong) and `at`: for every budget k up to n, and for the number of wrong labels, the share of the
    first k that is wrong (precision), the share of the wrong ones that is among them (recall), and how many times as
    many these are as the best order would have found among as many. The last is also the share of the ceiling
    min(1 / rate, 1 / (k / n)) that any order has over reading at random.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    errors = int(wrong.sum())
    wrong_among_first = np.cumsum(wrong[np.argsort(scores, kind="stable")])
    defined = 0 < errors < len(wrong)
    ks = sorted({k for k in (*budgets, errors) if 1 <= k <= len(wrong)})
    return {
        "wrong": errors,
        "auroc": float(roc_auc_score(wrong, -scores)) if defined else None,
        "average_precision": float(average_precision_score(wrong, -scores)) if defined else None,
        "at": [
            {
                "k": k,
                "precision": float(wrong_among_first[k - 1] / k),
                "recall": float(wrong_among_first[k - 1] / errors) if errors else None,
                "share_of_ceiling": float(wrong_among_first[k - 1] / min(k, errors)) if errors else None,
            }
            for k in ks
        ],
    }
