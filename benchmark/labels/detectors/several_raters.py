"""A detector for images that several raters have labeled."""

from __future__ import annotations

import numpy as np

from benchmark.labels.detectors.base import TINY, Verdict, detector, of_given
from benchmark.labels.detectors.probe import Probe
from benchmark.noise._consensus import rated


@detector(needs="votes")
def crowdlab(probe: Probe) -> Verdict:
    """Probability of the given label from raters, weighted by their quality, and held-out predictions (CROWDLAB).

    Goh et al., 2022, arXiv 2210.06812, by cleanlab: the probability of the consensus. What is left of 1 is divided
    among the other classes as the network divides it.
    """
    assert probe.votes is not None
    consensus, quality = rated(probe.votes, probe.held_out.probabilities)
    rest = np.maximum(probe.held_out.probabilities, TINY)
    rows = np.arange(len(consensus))
    rest[rows, consensus] = 0
    probabilities = rest / rest.sum(1, keepdims=True) * (1 - quality)[:, None]
    probabilities[rows, consensus] = quality
    return Verdict(of_given(probabilities, probe.labels), probabilities)
