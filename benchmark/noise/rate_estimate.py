"""The noise rate as the blind track knows it: estimated from out-of-fold predictions, never from the truth.

Made once per data, noise, backbone, recipe and seeds, kept in a small file, and shown with its cost and error.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from benchmark.grid.spec import RunSpec
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import canonical, seal, unseal
from benchmark.store.once import once

FOLDS = 4
ANCHOR_SHARE = 0.25
"""Of the samples predicted to be of a class, the share that is trusted to be."""
ANCHORS = 60
"""At least so many per class: the standard error of a rate of .4 is then .06 a class, and .02 over ten."""


@dataclass(frozen=True)
class Estimate:
    """A noise rate in [0, 1) and the seconds that it took."""

    noise_rate: float
    seconds: float


def noise_rate_of(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of wrong labels among `labels` [n], given `probabilities` [n, K] of networks that did not see them.

    The most confident predictions of a class are taken for its true members (anchor points: Patrini et al., CVPR
    2017; Xia et al., T-revision, NeurIPS 2019), and the share of their labels that differ for its noise rate; the
    classes are weighted by how often they are predicted. Labels are counted and confidences only ranked: noise
    flattens them, and a sum over them (one minus the trace of a confident joint) takes the network's own errors
    for noise. What it cannot see: noise that the most confident samples of a class do not have.
    """
    predicted = probabilities.argmax(1)
    wrong = 0.0
    for label in np.unique(predicted):
        members = np.flatnonzero(predicted == label)
        count = max(math.ceil(ANCHOR_SHARE * len(members)), ANCHORS)
        anchors = members[np.argsort(-probabilities[members, label], kind="stable")[:count]]
        wrong += len(members) * np.mean(labels[anchors] != label)
    return float(np.clip(wrong / len(labels), 0, 0.99))


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur in `labels`, [k], and the estimated joint [k, k] of given (row) and true label.

    Northcutt et al., Confident Learning, JAIR 2021.
    """
    from cleanlab.count import estimate_joint

    present = np.unique(labels)
    renumbered = np.searchsorted(present, labels)
    kept = probabilities[:, present]
    return present, np.asarray(estimate_joint(renumbered, kept / kept.sum(1, keepdims=True)))


def cached_estimate(spec: RunSpec, folder: Path, predict: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Estimate:
    """The estimate for `spec`; `predict` gives (noisy labels, out-of-fold probabilities) where it is not known.

    Of several processes that want it, one computes and the others wait.
    """
    shared = spec.model_dump(mode="json", include={"protocol", "dataset", "noise", "backbone", "recipe"})
    seeds = spec.seeds.model_dump(include={"noise", "init", "order"})
    key = hashlib.sha256(canonical([shared, seeds, FOLDS])).hexdigest()[:16]
    path = folder / f"{key}.json"

    def make() -> Estimate:
        started = time.perf_counter()
        return Estimate(noise_rate_of(*predict()), time.perf_counter() - started)

    return once(
        path,
        "estimates of the noise rate",
        read=lambda: _read(path),
        make=make,
        write=lambda made: write_atomically(path, seal(orjson.dumps(made))),
    )


def _read(path: Path) -> Estimate | None:
    try:
        return Estimate(**orjson.loads(unseal(path.read_bytes())))
    except (OSError, ValueError, TypeError):
        return None
