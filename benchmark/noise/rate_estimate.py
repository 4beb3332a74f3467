"""The noise rate with a 95 % interval, and the joint of labels, from out-of-fold predictions, without clean labels.

Two estimates that err to opposite sides span the interval. The mixture takes noise that follows an image's looks
for doubt of the network, so it is too low under such noise; anchor points take errors of the network for noise, so
they are too high. Where the noise depends on the class only and the network is good, both agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.noise.label_mixture import Mixture, fit_mixture

VERSION = 2
"""Of the estimate: raise it when its numbers change. It is part of the key of stored estimates."""
FOLDS = 4
FALLBACK = 0.2
"""The rate that methods are given where the estimator refuses: the default of Co-teaching's official code, and near
the middle of what is reported of real data sets, .08 to .385 (Song et al., TNNLS 2022)."""

ANCHOR_SHARE = 0.25
"""Share of the samples predicted to be of a class, most confident first, that are its anchor points."""
ANCHORS = 60
"""Least number of anchor points per class: a rate of .4 has a standard error of .06 then, .02 over ten classes."""
RESAMPLES = 12
NORMAL, STUDENT = 1.96, 2.2
"""Factors of a standard error: 97.5 % quantiles of the normal and of Student's t with RESAMPLES - 1 degrees."""
MISATTRIBUTED = 0.15
"""Share of the network's own errors that either estimate may have taken for noise, or the reverse. The least multiple
of .05 with which the interval of clean labels begins at 0 on digits, blood cells, colon tissue and skin lesions;
skin lesions decide, the others need .05 or .1. The coverage of noisy cells of these sets at .10 to .25 was seen too
when it was chosen, so they are no independent test of it."""
LEAST_KAPPA = 0.5
"""Least agreement of two networks above chance (Cohen's kappa). On digits, networks of one or two epochs reach .00 to
.15, of four .71 to .93; it was set between these."""
WIDEST = 0.35
"""Wider intervals are refused: they leave open whether a few labels are wrong or every third."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of networks for samples that they were not fitted to."""

    probabilities: np.ndarray
    """[n, K]."""
    twins: np.ndarray
    """[2, m] classes that two networks predict for the same held-out samples: networks of one recipe whose first
    weights differ, or, where a fit has one solution whatever these are, heads fitted to disjoint halves."""


@dataclass(frozen=True)
class RateEstimate:
    """A noise rate as a method is given it, and how far it can be trusted."""

    rate: float
    """The estimate, in [0, 1); FALLBACK where the estimator refuses."""
    low: float | None
    """Ends of the 95 % interval; None where the estimator refuses."""
    high: float | None
    doubt: str | None = None
    """Why the estimator refuses; None where it does not."""

    @property
    def interval(self) -> list[float] | None:
        """[low, high]."""
        return None if self.low is None or self.high is None else [self.low, self.high]

    @property
    def text(self) -> str:
        """The rate with its interval, or why there is none."""
        if self.interval is None:
            return f"cannot tell: {self.doubt}"
        return f"{self.rate:.3f} (95 % interval {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Evidence:
    """What the two estimates say of the same labels; errors are half-widths of 95 % intervals from sampling alone."""

    mixture: float
    mixture_error: float
    anchors: float
    anchors_error: float
    own_error: float
    """Share of the true classes that the network misses, by its own account."""

    @property
    def rate(self) -> float:
        """The mean of both."""
        return min((self.mixture + self.anchors) / 2, 0.99)

    def interval(self, misattributed: float = MISATTRIBUTED) -> tuple[float, float]:
        """From the lower to the higher one, each widened by the root of two squares: its sampling error, and
        `misattributed` times the network's own errors."""
        model = misattributed * self.own_error
        ends = ((self.mixture, self.mixture_error), (self.anchors, self.anchors_error))
        low = min(rate - math.hypot(error, model) for rate, error in ends)
        high = max(rate + math.hypot(error, model) for rate, error in ends)
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Anchors:
    """The labels at the most confident predictions of each class."""

    counts: np.ndarray
    """[K, K] anchor points predicted to be of the row's class and labelled as the column's."""
    shares: np.ndarray
    """[K] how often each class is predicted, of all samples."""

    @property
    def rate(self) -> float:
        """Share of wrong labels."""
        return float(sum(self.shares[k] * differ / size for k, size, differ in self._of_classes()))

    @property
    def error(self) -> float:
        """Standard error of the rate; one more wrong and one more right label per class keep it from being 0."""
        variance = 0.0
        for k, size, differ in self._of_classes():
            smoothed = (differ + 1) / (size + 2)
            variance += self.shares[k] ** 2 * smoothed * (1 - smoothed) / size
        return math.sqrt(variance)

    def _of_classes(self) -> Iterator[tuple[int, int, int]]:
        """Class, number of its anchor points, and how many of these have another label."""
        for k, row in enumerate(self.counts):
            if size := int(row.sum()):
                yield k, size, size - int(row[k])


@dataclass(frozen=True)
class Fits:
    """What both estimates are made from."""

    mixture: Mixture
    resampled: Sequence[Mixture]
    """The same fit to RESAMPLES drawn sets of as many samples."""
    anchors: Anchors

    @property
    def evidence(self) -> Evidence:
        sampling = STUDENT * float(np.std([one.rate for one in self.resampled], ddof=1))
        anchors = self.anchors
        return Evidence(self.mixture.rate, sampling, anchors.rate, NORMAL * anchors.error, self.mixture.own_error)


def estimate_rate(labels: np.ndarray, held_out: HeldOut) -> RateEstimate:
    """The share of wrong labels among `labels` [n], with its interval.

    Refuses where the networks are too weak, and where the interval is wider than `WIDEST`.

    Limitation: networks that have learned the noise (wrong labels that follow the looks of the images alone) agree
    with wrong labels, and no estimate from predictions sees these.
    """
    return rate_of(fit(labels, held_out))


def rate_of(fits: Fits | str) -> RateEstimate:
    """The estimate from both fits, or from the reason why there are none."""
    if isinstance(fits, str):
        return RateEstimate(FALLBACK, None, None, fits)
    evidence = fits.evidence
    low, high = evidence.interval()
    if high - low > WIDEST:
        doubt = f"the interval from {low:.3f} to {high:.3f} is wider than {WIDEST}"
        return RateEstimate(FALLBACK, None, None, doubt)
    return RateEstimate(evidence.rate, low, high)


def fit(labels: np.ndarray, held_out: HeldOut) -> Fits | str:
    """Both fits to `labels` [n], or why the networks are too weak for them."""
    doubt = _too_weak(labels, held_out)
    if doubt:
        return doubt
    scores, n = np.log(np.clip(held_out.probabilities, np.finfo(np.float32).tiny, None)).astype(np.float64), len(labels)
    mixture = fit_mixture(scores, labels)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    resampled = [fit_mixture(scores, labels, weights=weights, start=mixture) for weights in counts]
    return Fits(mixture, resampled, at_anchors(labels, mixture.posterior))


def at_anchors(labels: np.ndarray, posterior: np.ndarray) -> Anchors:
    """What the `labels` [n] are at anchor points of `posterior` [n, K].

    The most confident predictions of a class are taken for its true members (Patrini et al., CVPR 2017; Xia et al.,
    T-revision, NeurIPS 2019), and the share of their labels that differ for its noise rate; the classes are weighted
    by how often they are predicted. Confidences are ranked but not summed: noise flattens them.
    """
    n, num_classes = posterior.shape
    counts, shares, predicted = (
        np.zeros((num_classes, num_classes), dtype=np.int64),
        np.zeros(num_classes),
        posterior.argmax(1),
    )
    for label in np.unique(predicted):
        members = np.flatnonzero(predicted == label)
        count = max(math.ceil(ANCHOR_SHARE * len(members)), ANCHORS)
        chosen = members[np.argsort(-posterior[members, label], kind="stable")[:count]]
        counts[label] = np.bincount(labels[chosen], minlength=num_classes)
        shares[label] = len(members) / n
    return Anchors(counts, shares)


def _too_weak(labels: np.ndarray, held_out: HeldOut) -> str | None:
    """Why the predictions say too little of these labels; None where they say enough.

    They must agree with the labels by more than three standard errors above chance. And two networks must agree
    with each other: a network of few epochs on clean labels agrees with few labels at every confidence, exactly as
    a good network on noisy labels, but another network does not repeat its predictions.
    """
    predicted, (n, num_classes) = held_out.probabilities.argmax(1), held_out.probabilities.shape
    agreement, chance = _agreement(predicted, labels, num_classes)
    if agreement <= chance + 3 * math.sqrt(max(chance * (1 - chance), agreement * (1 - agreement)) / n):
        return f"the networks agree with {agreement:.3f} of {n} held-out labels, by chance with {chance:.3f}"
    first, second = held_out.twins
    agreement, chance = _agreement(first, second, num_classes)
    least = chance + LEAST_KAPPA * (1 - chance)
    if agreement >= least:
        return None
    return (
        f"two networks agree on {agreement:.3f} of {held_out.twins.shape[1]} held-out images, by chance on "
        f"{chance:.3f}; expected at least {least:.3f}"
    )


def _agreement(first: np.ndarray, second: np.ndarray, num_classes: int) -> tuple[float, float]:
    """The share of equal classes, and that of independent ones with the same frequencies (as in Cohen's kappa)."""
    shares = [np.bincount(classes, minlength=num_classes) / len(classes) for classes in (first, second)]
    return float(np.mean(first == second)), float(shares[0] @ shares[1])


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur in `labels`, [k], and the estimated joint [k, k] of given (row) and true label.

    Northcutt et al., Confident Learning, JAIR 2021.
    """
    from cleanlab.count import estimate_joint

    present = np.unique(labels)
    renumbered = np.searchsorted(present, labels)
    kept = probabilities[:, present]
    return present, np.asarray(estimate_joint(renumbered, kept / kept.sum(1, keepdims=True)))
