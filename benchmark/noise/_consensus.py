"""One label per image from the labels of several raters: majority vote, Dawid-Skene, CROWDLAB.

`votes` are [n, R] int64 labels of R raters; -1 where a rater gave none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmark.noise._draws import choose
from benchmark.noise.base import NoiseError
from benchmark.seeds import seed_for

TIE = 1e-9
"""Scores that differ by less than this share of the largest are tied."""
MAX_STEPS = 1000
TOLERANCE = 1e-9
"""EM ends when no posterior probability changes by more."""


@dataclass(frozen=True)
class Consensus:
    labels: np.ndarray
    """[n] int64."""
    tied: np.ndarray
    """[n] bool: several classes were equally good, and the label is one of them, drawn at random."""
    probabilities: np.ndarray
    """[n, K] float64 of the classes, by what the labels were chosen from."""


@dataclass(frozen=True)
class DawidSkene:
    """The model of Dawid & Skene: raters err independently, each with a confusion matrix."""

    posteriors: np.ndarray
    """[n, K] P(true class | votes)."""
    priors: np.ndarray
    """[K] P(true class)."""
    confusions: np.ndarray
    """[R, K, K] P(rater says j | true class i); a row of zeros where the rater labeled no image of that class."""


def counts_of(votes: np.ndarray, num_classes: int) -> np.ndarray:
    """[n, K] number of raters that gave each class."""
    return one_hot(votes, num_classes).sum(1)


def one_hot(votes: np.ndarray, num_classes: int) -> np.ndarray:
    """[n, R, K] float64 of `votes`; all 0 where there is none."""
    return (votes[..., None] == np.arange(num_classes)).astype(np.float64)


def likeliest(scores: np.ndarray, v: np.ndarray) -> Consensus:
    """The best column of `scores` [n, K] >= 0; among equally good ones, one is drawn by the uniforms `v` [n]."""
    best = scores.max(1, keepdims=True)
    among = scores >= best - TIE * np.abs(best)
    return Consensus(choose(among.astype(np.float64), v), among.sum(1) > 1, shares(scores))


def shares(scores: np.ndarray) -> np.ndarray:
    """`scores` [n, K] >= 0, such as counts, so that rows sum to 1."""
    return np.asarray(scores / scores.sum(1, keepdims=True))


def dawid_skene(answers: np.ndarray) -> DawidSkene:
    """Maximum likelihood by EM, from the raters' shares of votes (Dawid & Skene, Applied Statistics 28(1), 1979).

    `answers` [n, R, K]: how often each rater gave each class to each image; a rater may have answered several times.
    """
    posteriors = shares(answers.sum(1))
    for _ in range(MAX_STEPS):
        priors = posteriors.mean(0)
        joint = np.einsum("ni,nrj->rij", posteriors, answers)
        totals = joint.sum(2, keepdims=True)
        confusions = np.divide(joint, totals, out=np.zeros_like(joint), where=totals > 0)
        before = posteriors
        posteriors = _posteriors(answers, priors, confusions)
        if np.abs(posteriors - before).max(initial=0.0) < TOLERANCE:
            break
    return DawidSkene(posteriors, priors, confusions)


def _posteriors(answers: np.ndarray, priors: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """[n, K] P(true class | answers)."""
    # An impossible answer has a logarithm that outweighs any number of possible ones; 0 answers make 0 of it.
    logs = np.log(np.maximum(confusions, 1e-300))
    scores = np.log(np.maximum(priors, 1e-300)) + np.einsum("nrj,rij->ni", answers, logs)
    scores -= scores.max(1, keepdims=True)
    odds = np.exp(scores)
    return np.asarray(odds / odds.sum(1, keepdims=True))


def crowdlab(votes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """[n] consensus of CROWDLAB, as `rated` has it."""
    return rated(votes, probabilities)[0]


def rated(votes: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n] consensus of CROWDLAB (Goh et al., 2022, arXiv 2210.06812) by cleanlab, and [n] the probability that it is
    right.

    `probabilities` [n, K] come from networks that were trained on the raters' labels, without the image itself.
    Raises NoiseError where cleanlab refuses the votes.
    """
    from cleanlab.multiannotator import get_label_quality_multiannotator

    wide = np.where(votes < 0, np.nan, votes.astype(np.float64))
    try:
        with _seeded():
            result = get_label_quality_multiannotator(
                wide, probabilities, return_detailed_quality=False, return_annotator_stats=False, verbose=False
            )
    except ValueError as error:
        raise NoiseError(f"CROWDLAB cannot be used: {error}; choose majority or dawid_skene") from error
    table = result["label_quality"]
    return table["consensus_label"].to_numpy(np.int64), table["consensus_quality_score"].to_numpy(np.float64)


@contextmanager
def _seeded() -> Iterator[None]:
    """cleanlab breaks its last ties by numpy's global generator."""
    state = np.random.get_state()
    np.random.seed(seed_for("crowdlab") % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)
