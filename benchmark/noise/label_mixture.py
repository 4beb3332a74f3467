"""A mixture of right and wrong labels: calibrates held-out scores and estimates T in one fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ITERATIONS, RESAMPLED_ITERATIONS = 200, 40
"""At most, of a fit and of one that begins at another's solution."""
START = 4.0
"""Logit of the diagonal of T at the start: .86 of the labels are right with ten classes."""
STARTS = (START, 2.0)
"""Of the likeliest of several fits: in the second, .45 of the labels are right with ten classes."""
LARGEST_LOG_SCALE = 50.0
"""Of the scores: a search for the best scale may try any."""
RIDGE = 1e-5
"""Penalty on the mean squared logits of T below its diagonal, which would be infinite for classes without noise."""


@dataclass(frozen=True)
class Mixture:
    """What was fitted: p(label | scores) = softmax(scale * scores + offsets) T."""

    parameters: np.ndarray
    """[1 + K + K * K]: logarithm of the scale, offsets, logits of T."""
    posterior: np.ndarray
    """[n, K] probabilities of the true classes."""
    transition: np.ndarray
    """[K, K] T[i, j] = P(label j | class i)."""
    prior: np.ndarray
    """[K] shares of the true classes."""
    objective: float
    """What the fit makes small: the mean negative log-likelihood of the labels, and the penalty."""

    @cached_property
    def rate(self) -> float:
        """Share of wrong labels."""
        return float(self.prior @ (1 - np.diagonal(self.transition)))

    def right(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """[n, K] probabilities of the true classes, given both the scores [n, K] and the labels [n] of any samples."""
        scale, offsets, _ = _parts(self.parameters, scores.shape[1])
        joint = _softmax(scale * _centred(scores) + offsets) * self.transition.T[labels]
        return np.asarray(joint / np.maximum(joint.sum(1, keepdims=True), np.finfo(np.float64).tiny))

    @cached_property
    def own_error(self) -> float:
        """Share of the true classes that the network misses, by its own fitted confidence."""
        return float(1 - self.posterior.max(1).mean())


def fit_mixture(
    scores: np.ndarray, labels: np.ndarray, *, weights: np.ndarray | None = None, start: Mixture | float = START
) -> Mixture:
    """The maximum-likelihood fit to `labels` [n] of held-out `scores` [n, K], logits up to a constant per row.

    The true class follows the scores with one scale and an offset per class (temperature and bias scaling, Guo et
    al., ICML 2017); a label follows its true class through T (label-flipping logistic regression, Bootkrajang and
    Kabán, ECML 2012, whose weights of the inputs are here those of the network). T is what remains where the scores
    are sure. `weights` [n] >= 0 count samples; `start` is a solution to begin at, or the logit of T's diagonal there.
    """
    from scipy.optimize import minimize

    n, num_classes = scores.shape
    centred = _centred(scores)
    counts = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    total, rows = counts.sum(), np.arange(n)
    given = np.zeros((n, num_classes))
    given[rows, labels] = counts

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, offsets, logits = _parts(parameters, num_classes)
        posterior, transition = _softmax(scale * centred + offsets), _softmax(logits)
        joint = posterior * transition.T[labels]  # [n, K] of the label that was given and each true class
        likelihood = np.maximum(joint.sum(1), 1e-300)
        responsible = joint / likelihood[:, None]
        excess = counts[:, None] * (posterior - responsible) / total
        flows = responsible.T @ given  # [K, K] expected counts of true class and label
        below = logits - np.diagonal(logits)[:, None]
        pull = 2 * RIDGE * below / below.size
        slope = (flows.sum(1, keepdims=True) * transition - flows) / total + pull
        slope[np.diag_indices(num_classes)] -= pull.sum(1)
        gradient = np.concatenate([[scale * np.sum(excess * centred)], excess.sum(0), slope.ravel()])
        return float(-(counts @ np.log(likelihood)) / total + RIDGE * np.mean(below**2)), gradient

    if isinstance(start, Mixture):
        begin, iterations = start.parameters, RESAMPLED_ITERATIONS
    else:
        begin = np.concatenate([np.zeros(1 + num_classes), start * np.eye(num_classes).ravel()])
        iterations = ITERATIONS
    found = minimize(
        objective,
        begin,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "gtol": 1e-6, "ftol": 1e-9},
    )
    scale, offsets, logits = _parts(found.x, num_classes)
    posterior = _softmax(scale * centred + offsets)
    return Mixture(found.x, posterior, _softmax(logits), counts @ posterior / total, float(found.fun))


def likeliest_mixture(scores: np.ndarray, labels: np.ndarray) -> Mixture:
    """The better of the fits that begin at STARTS: from the first alone, one may stay where T lacks a confusion."""
    return min((fit_mixture(scores, labels, start=start) for start in STARTS), key=lambda fit: fit.objective)


def _parts(parameters: np.ndarray, num_classes: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, offsets [K] and logits of T [K, K]."""
    logits = parameters[1 + num_classes :].reshape(num_classes, num_classes)
    return float(np.exp(min(parameters[0], LARGEST_LOG_SCALE))), parameters[1 : 1 + num_classes], logits


def _centred(scores: np.ndarray) -> np.ndarray:
    return scores - scores.mean(1, keepdims=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)
