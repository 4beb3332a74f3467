"""Detectors that look at predictions of networks that were trained without the sample."""

from __future__ import annotations

import numpy as np

from benchmark.labels.detectors.base import TINY, Verdict, detector, of_given
from benchmark.labels.detectors.probe import Probe
from benchmark.noise.label_mixture import likeliest_mixture


@detector()
def self_confidence(probe: Probe) -> Verdict:
    """Held-out probability of the given label (Northcutt et al., Confident Learning, JAIR 2021)."""
    return _by_cleanlab(probe, "self_confidence")


@detector()
def margin(probe: Probe) -> Verdict:
    """Held-out probability of the given label above the largest other one (Northcutt et al., JAIR 2021)."""
    return _by_cleanlab(probe, "normalized_margin")


@detector()
def entropy(probe: Probe) -> Verdict:
    """Self-confidence weighted by the entropy of the held-out prediction (Kuan & Mueller, DataPerf at ICML 2022)."""
    return _by_cleanlab(probe, "confidence_weighted_entropy")


@detector()
def posterior(probe: Probe) -> Verdict:
    """Probability that the given label is right, from held-out predictions and the estimated T.

    By Bayes' rule: P(true = i | image, given = j) is proportional to P(true = i | image) T[i, j]. T and the calibration
    of the predictions are fitted together (see `label_mixture`).
    """
    scores = scores_of(probe.held_out.probabilities)
    probabilities = likeliest_mixture(scores, probe.labels).right(scores, probe.labels)
    return Verdict(of_given(probabilities, probe.labels), probabilities)


def scores_of(probabilities: np.ndarray) -> np.ndarray:
    """[n, K] logits, up to a constant per row, of predictions [n, K]."""
    return np.log(np.maximum(probabilities, TINY)).astype(np.float64)


def _by_cleanlab(probe: Probe, method: str) -> Verdict:
    from cleanlab.rank import get_label_quality_scores

    probabilities = probe.held_out.probabilities
    return Verdict(np.asarray(get_label_quality_scores(probe.labels, probabilities, method=method)), probabilities)
