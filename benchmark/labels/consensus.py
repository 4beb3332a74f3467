"""One label an image from several raters, and how good each rater is by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.errors import UsageError
from benchmark.noise._consensus import counts_of, dawid_skene, likeliest, one_hot, rated
from benchmark.seeds import seed_for
from benchmark.tables.bootstrap import Groups, sampling_half

KINDS = ("majority", "dawid_skene", "crowdlab")
LEAST_RATERS = 3
"""That determine the model of Dawid and Skene."""


@dataclass(frozen=True)
class Consensus:
    """What n images likely show, by raters, and by networks too where the kind takes them."""

    kind: str
    posterior: np.ndarray
    """[n, K] probabilities of the true classes; 0 where no rater labelled the image."""
    labels: np.ndarray
    """[n] the likeliest class; -1 where no rater labelled the image."""
    tied: int
    """Images of which several classes were equally likely, so that the label is one of them, drawn at random."""

    @property
    def reference(self) -> np.ndarray:
        """[n, K] what raters are compared with: the posterior of a model of raters, else the labels as ones.

        CROWDLAB's probabilities rank images well and are far too low: by them the raters of CIFAR-10N are wrong in
        .41 of their labels instead of .18, by its labels in .18.
        """
        if self.kind == "dawid_skene":
            return self.posterior
        return np.eye(self.posterior.shape[1])[np.maximum(self.labels, 0)] * (self.labels >= 0)[:, None]


def consensus(kind: str, votes: np.ndarray, num_classes: int, probabilities: np.ndarray | None, seed: int) -> Consensus:
    """Of the labels `votes` [n, R], -1 where a rater gave none; `probabilities` [n, K] are held-out ones of networks.

    Raises UsageError where the kind needs what is not there, and NoiseError where cleanlab refuses the votes.
    """
    voted = np.flatnonzero((votes >= 0).any(1))
    if not len(voted):
        raise UsageError("no rater labelled any of the images; expected labels above -1")
    if kind == "crowdlab":
        if probabilities is None:
            raise UsageError("CROWDLAB weighs raters and networks, and the networks say too little of these labels")
        posterior = _by_crowdlab(votes[voted], probabilities[voted])
    elif kind == "dawid_skene":
        if votes.shape[1] < LEAST_RATERS:
            raise UsageError(
                f"{votes.shape[1]} raters do not determine the model of Dawid and Skene; expected at least "
                f"{LEAST_RATERS}, or another kind: {', '.join(name for name in KINDS if name != kind)}"
            )
        posterior = dawid_skene(one_hot(votes[voted], num_classes)).posteriors
    else:
        counts = counts_of(votes[voted], num_classes)
        posterior = counts / counts.sum(1, keepdims=True)
    best = likeliest(posterior, np.random.default_rng(seed_for("consensus", seed)).random(len(voted)))
    whole, labels = np.zeros((len(votes), num_classes)), np.full(len(votes), -1, dtype=np.int64)
    whole[voted], labels[voted] = posterior, best.labels
    return Consensus(kind, whole, labels, int(best.tied.sum()))


def _by_crowdlab(votes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """[m, K]; what is left of 1 beside the consensus is divided as the networks divide it."""
    labels, quality = rated(votes, probabilities)
    rows, rest = np.arange(len(labels)), np.maximum(probabilities, 1e-12)
    rest[rows, labels] = 0
    posterior = rest / rest.sum(1, keepdims=True) * (1 - quality)[:, None]
    posterior[rows, labels] = quality
    return np.asarray(posterior)


def confusions(posterior: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """[R, K, K] expected numbers of images of the row's class that a rater labelled as the column's.

    Divided by the sums of their rows they are each rater's T. `posterior` [n, K] are the true classes, with a
    probability or as ones, `votes` [n, R] the raters' labels. Of Dawid and Skene's posterior they are the model's own.
    """
    return np.einsum("ni,nrj->rij", posterior, one_hot(votes, posterior.shape[1]))


def transitions(counts: np.ndarray) -> np.ndarray:
    """[R, K, K] T of each rater from `counts`; NaN in the row of a class of which a rater labelled no image."""
    totals = counts.sum(2, keepdims=True)
    return np.asarray(np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0))


def quality(names: Sequence[str], posterior: np.ndarray, votes: np.ndarray, groups: Groups | None) -> pd.DataFrame:
    """One row per rater: rater, labels (numbers of them), wrong (share, by `posterior` [n, K]), low, high.

    The interval is that of the images drawn, by whole `groups` [n] where they are known: it takes the consensus for
    right. Images without a consensus do not count.
    """
    rows = []
    known = posterior.sum(1) > 0
    for name, labels in zip(names, votes.T, strict=True):
        at = np.flatnonzero((labels >= 0) & known)
        if not len(at):
            rows.append((name, 0, *[float("nan")] * 3))
            continue
        wrong = 1 - posterior[at, labels[at]]
        among = None if groups is None else groups[at]
        half = sampling_half(wrong, among, np.random.default_rng(0))
        mean = float(wrong.mean())
        rows.append((name, len(at), mean, max(mean - half, 0.0), min(mean + half, 1.0)))
    return pd.DataFrame(rows, columns=["rater", "labels", "wrong", "low", "high"])
