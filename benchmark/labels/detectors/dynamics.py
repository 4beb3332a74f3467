"""Detectors that watch one training on all labels: wrong ones are learned late."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from benchmark.labels.detectors.base import TINY, Verdict, detector, margins, of_given
from benchmark.labels.detectors.probe import Probe


@detector()
def aum(probe: Probe) -> Verdict:
    """Area under the margin: the mean over epochs of the given label's logit above the largest other one.

    Pleiss et al., NeurIPS 2020; without the threshold samples, as only the order is used.
    """
    return Verdict(margins(probe.trajectory, probe.labels).mean(0), _mean_probabilities(probe))


@detector()
def loss(probe: Probe) -> Verdict:
    """Cross entropy of the given label, summed over the epochs (O2U-Net, Huang et al., ICCV 2019)."""
    log_p = log_softmax(probe.trajectory.astype(np.float64), axis=-1)
    return Verdict(of_given(log_p, probe.labels).sum(0), _mean_probabilities(probe))


@detector()
def forgetting(probe: Probe) -> Verdict:
    """How often a label that was learned is forgotten again (Toneva et al., ICLR 2019).

    A label that was never learned comes before all others, as in the paper. Equal counts are ordered by the mean
    probability of the given label.
    """
    learned = probe.trajectory.argmax(-1) == probe.labels
    events = (learned[:-1] & ~learned[1:]).sum(0)
    events = np.where(learned.any(0), events, len(learned))
    probabilities = _mean_probabilities(probe)
    return Verdict(of_given(probabilities, probe.labels) - events, probabilities)


@detector()
def in_sample(probe: Probe) -> Verdict:
    """Logit margin of the probabilities averaged over the epochs (benchmark of detectors, arXiv 2510.16211, 2025)."""
    probabilities = _mean_probabilities(probe)
    return Verdict(margins(np.log(np.maximum(probabilities, TINY)), probe.labels), probabilities)


def _mean_probabilities(probe: Probe) -> np.ndarray:
    """[n, K] of every sample, averaged over the epochs of the training."""
    return np.asarray(softmax(probe.trajectory.astype(np.float64), axis=-1).mean(0))
