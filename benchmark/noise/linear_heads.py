"""Held-out predictions of linear heads on features of a frozen network, for the estimate of the noise rate."""

from __future__ import annotations

import warnings

import numpy as np

from benchmark.noise.rate_estimate import HeldOut

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Weights of the log loss against the squared weights of the head, summed over the samples, from weak to strong."""
CHOICE_SHARE = 0.25
"""Share of the first fold's training part on whose labels the weight is chosen."""
ITERATIONS = 300


def held_out(features: np.ndarray, labels: np.ndarray, num_classes: int, *, folds: int, seed: int) -> HeldOut:
    """Probabilities of samples with standardized `features` [n, D], each by a head fitted without its label of `labels`
    [n]. Two heads that are fitted to the halves of its training part are the twins on the first fold.

    The heads are logistic regressions with an L2 penalty, so that they do not fit wrong labels and need no early
    stopping. The penalty is chosen once, by the log loss of labels of the first fold's training part: it becomes
    weaker as long as the loss falls.
    """
    from sklearn.model_selection import KFold

    parts = list(KFold(min(folds, len(labels)), shuffle=True, random_state=seed % 2**32).split(features))
    order = np.random.default_rng(seed).permutation(parts[0][0])
    strength = _chosen(features[order], labels[order], num_classes)
    probabilities = np.zeros((len(labels), num_classes))
    for fitted, held in parts:
        probabilities[held] = _fit(features[fitted], labels[fitted], features[held], num_classes, strength)
    held = parts[0][1]
    twins = [
        _fit(features[half], labels[half], features[held], num_classes, strength).argmax(1)
        for half in (order[::2], order[1::2])
    ]
    return HeldOut(probabilities, np.stack(twins))


def _chosen(x: np.ndarray, y: np.ndarray, num_classes: int) -> float:
    """The strength with the least log loss on the last `CHOICE_SHARE` of `x` [n, D] and `y` [n]."""
    fitted = len(y) - int(CHOICE_SHARE * len(y))
    held, best, chosen = y[fitted:], np.inf, STRENGTHS[0]
    if not len(held):
        return chosen
    for strength in STRENGTHS:
        probabilities = _fit(x[:fitted], y[:fitted], x[fitted:], num_classes, strength)
        given = probabilities[np.arange(len(held)), held]
        loss = -float(np.mean(np.log(np.maximum(given, 1e-9))))
        if loss >= best:
            break
        best, chosen = loss, strength
    return chosen


def _fit(x: np.ndarray, y: np.ndarray, held: np.ndarray, num_classes: int, strength: float) -> np.ndarray:
    """[m, K] probabilities of `held` [m, D] by a head fitted to `x` [n, D] and `y` [n]; 0 for classes not in `y`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    probabilities = np.zeros((len(held), num_classes))
    present = np.unique(y)
    if len(present) == 1:
        probabilities[:, present] = 1
        return probabilities
    with warnings.catch_warnings():
        # A fit that ends at the limit is only a little more penalized than asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        head = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=1e-3).fit(x, y)
    probabilities[:, present] = head.predict_proba(held)
    return probabilities
