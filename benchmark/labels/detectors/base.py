"""What a detector of wrong labels is: a function from a `Probe` of one data set to a `Verdict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.errors import UsageError
from benchmark.labels.detectors.probe import Probe

TINY = 1e-12
"""Least probability that a logarithm is taken of."""


@dataclass(frozen=True)
class Verdict:
    """What a detector says of n labels."""

    score: np.ndarray
    """[n] low where the label is doubtful; only the order counts across detectors."""
    probabilities: np.ndarray
    """[n, K] of the true classes, which suggestions are made from; rows sum to 1."""


@dataclass(frozen=True)
class Detector:
    """A named way to rank labels by how doubtful they are."""

    name: str
    judge: Callable[[Probe], Verdict]
    needs: str
    """"" or what it needs beside images and labels: "features" of a frozen backbone, "votes" of several raters."""

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.judge.__doc__ or "").strip().splitlines()[0]

    def __call__(self, probe: Probe) -> Verdict:
        """Raises UsageError where `probe` lacks what the detector needs."""
        if self.needs == "features" and not probe.frozen:
            raise UsageError(
                f"detector {self.name} works on the features of a frozen backbone; expected for example "
                "-b timm/NAME:frozen=true, or another detector: " + ", ".join(suited(probe))
            )
        if self.needs == "votes" and probe.votes is None:
            raise UsageError(
                f"detector {self.name} compares several raters of each image; expected --raters A,B,... with names of "
                "label arrays of the data set, or another detector: " + ", ".join(suited(probe))
            )
        return self.judge(probe)


DETECTORS: dict[str, Detector] = {}
"""By name, in the order of their definition."""


def detector(needs: str = "") -> Callable[[Callable[[Probe], Verdict]], Callable[[Probe], Verdict]]:
    """Registers a function as the detector of its name."""

    def register(judge: Callable[[Probe], Verdict]) -> Callable[[Probe], Verdict]:
        DETECTORS[judge.__name__] = Detector(judge.__name__, judge, needs)
        return judge

    return register


def named(name: str) -> Detector:
    """Raises UsageError where there is no such detector."""
    if name not in DETECTORS:
        raise UsageError(f"there is no detector {name!r}; expected one of {', '.join(DETECTORS)}")
    return DETECTORS[name]


def default(probe: Probe) -> Detector:
    """The one that is used unless another is asked for.

    Where raters are known, the one that compares them: on CIFAR-10N's aggre, by three raters and frozen features, its
    average precision is .75; that of `heads`, which does not know the raters, .62.

    Of networks, in_sample has a higher average precision on a thousand images and more (blood cells with .2 symmetric
    noise: .981 against .976), but on eighty images it takes memorized wrong labels for right ones.
    """
    if probe.votes is not None:
        return DETECTORS["crowdlab"]
    return DETECTORS["heads" if probe.frozen else "self_confidence"]


def suited(probe: Probe) -> list[str]:
    """Names of the detectors that `probe` has everything for."""
    lacking = {"features": not probe.frozen, "votes": probe.votes is None, "": False}
    return [name for name, one in DETECTORS.items() if not lacking[one.needs]]


def averaged(verdicts: Sequence[Verdict]) -> Verdict:
    """An ensemble: the mean of the ranks, in [0, 1], and of the probabilities. One verdict is returned as it is."""
    if len(verdicts) == 1:
        return verdicts[0]
    from scipy.stats import rankdata

    ranks = np.mean([rankdata(one.score) for one in verdicts], axis=0)
    return Verdict(ranks / len(ranks), np.mean([one.probabilities for one in verdicts], axis=0))


def of_given(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[n] the entries of `values` [..., n, K] at the given `labels` [n]."""
    return np.take_along_axis(values, np.broadcast_to(labels, values.shape[:-1])[..., None], -1)[..., 0]


def margins(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[..., n] how far the given label's entry of `values` [..., n, K] lies above the largest other one."""
    others = np.where(np.arange(values.shape[-1]) == labels[:, None], -np.inf, values)
    return np.asarray(of_given(values, labels) - others.max(-1))
