"""The noise rate as the blind track knows it: estimated from out-of-fold predictions, never from the truth.

Made once per data, noise, backbone, recipe and seeds, kept in a small file, and shown with its cost and error.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from benchmark.spec import RunSpec, canonical
from benchmark.store import write_atomically

FOLDS = 4


@dataclass(frozen=True)
class Estimate:
    """A noise rate in [0, 1) and the seconds that it took."""

    noise_rate: float
    seconds: float


def noise_rate_of(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """One minus the trace of the confident joint (Northcutt et al., Confident Learning, JAIR 2021).

    `labels` [n] are the noisy ones, `probabilities` [n, K] come from networks that did not see the sample.
    """
    _, joint = confident_joint(labels, probabilities)
    return float(np.clip(1 - np.trace(joint), 0, 0.99))


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur in `labels`, [k], and the estimated joint [k, k] of given (row) and true label."""
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
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(path)
        if known is not None:
            return known
        started = time.perf_counter()
        rate = noise_rate_of(*predict())
        made = Estimate(rate, time.perf_counter() - started)
        write_atomically(path, orjson.dumps(made))
        return made


def _read(path: Path) -> Estimate | None:
    try:
        return Estimate(**orjson.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
