"""A detector for images that several raters have labeled."""

from __future__ import annotations

import numpy as np

from benchmark.errors import UsageError
from benchmark.labels.consensus import consensus
from benchmark.labels.detectors.base import Verdict, detector, of_given
from benchmark.labels.detectors.probe import Probe


@detector(needs="votes")
def crowdlab(probe: Probe) -> Verdict:
    """Probability of the given label from raters, weighted by their quality, and held-out predictions (CROWDLAB).

    Goh et al., 2022, arXiv 2210.06812, by cleanlab: the probability of the consensus. What is left of 1 is divided
    among the other classes as the network divides it. Images that no rater labelled are judged by the network alone.
    """
    assert probe.votes is not None
    if not ((probe.votes >= 0).sum(1) >= 2).any():
        raise UsageError("no image was labeled by two of the raters, so they cannot be compared; leave out --raters")
    held_out = probe.held_out.probabilities
    found = consensus("crowdlab", probe.votes, probe.num_classes, held_out, probe.seeds.order)
    probabilities = np.where(found.labels[:, None] >= 0, found.posterior, held_out)
    return Verdict(of_given(probabilities, probe.labels), probabilities)
