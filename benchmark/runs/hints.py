"""Hints for a method: the true values in the oracle track, an estimated noise rate in the blind track."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmark.errors import UsageError
from benchmark.grid.spec import RunSpec, Track
from benchmark.hint_names import ALIKE_IN_BOTH_TRACKS, SOFT_LABELS
from benchmark.noise import rate_estimate
from benchmark.noise.rate_estimate import HeldOut, RateEstimate, estimate_rate
from benchmark.runs.prepare import Prepared, Skipped
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import canonical, seal_json, unseal_json
from benchmark.store.once import once
from methods.base import Hints


@dataclass(frozen=True)
class Estimate:
    """A noise rate and the seconds that it took."""

    noise: RateEstimate
    seconds: float


@dataclass(frozen=True)
class Given:
    """The hints of a run, and what its record says of them."""

    hints: Hints
    estimate: Estimate | None = None
    """Of the noise rate, where the method needs one in the blind track."""


def find_hints(
    required: frozenset[str],
    track: Track,
    prepared: Prepared,
    estimate: Callable[[], Estimate],
    device: torch.device,
) -> Given:
    """The `required` hints by the rules of `track`; `estimate` is only called where the rate must be estimated.

    A clean set is not among them: who trains lends it (`Prepared.clean_set`), in either track. Soft labels are those
    of the raters, in either track too.

    The true rate is that of the labels trained on. The true T holds the probabilities that the labels were drawn
    with or, where the noise has none, their frequencies in the whole data set. An estimator that refuses gives its
    fallback as the rate.

    Raises Skipped where the truth is unknown or there are no raters, UsageError where the blind track cannot give a
    hint.
    """
    soft = _soft_labels(prepared, device) if SOFT_LABELS in required else None
    required -= ALIKE_IN_BOTH_TRACKS
    if not required:
        return Given(Hints(given_soft_labels=soft))
    if track == "oracle":
        if prepared.realized_rate is None:
            raise Skipped("the true labels are unknown, so there is no oracle track; use --track blind")
        rate = prepared.realized_rate if "noise_rate" in required else None
        transition = None
        if "transition" in required and prepared.transition is not None:
            transition = torch.tensor(prepared.transition, dtype=torch.float32, device=device)
        return Given(Hints(rate, transition, given_soft_labels=soft))
    if "transition" in required:
        raise UsageError("the method needs the transition matrix; run it with --track oracle")
    estimated = estimate()
    return Given(Hints(estimated.noise.rate, given_soft_labels=soft), estimated)


def _soft_labels(prepared: Prepared, device: torch.device) -> Tensor:
    if prepared.train.soft is None:
        raise Skipped(
            "it learns from the labels of several raters, and this noise gives one label an image; take those of "
            "raters: -n raters:majority"
        )
    return torch.tensor(prepared.train.soft, dtype=torch.float32, device=device)


def cached_estimate(spec: RunSpec, folder: Path, predict: Callable[[], tuple[np.ndarray, HeldOut]]) -> Estimate:
    """The estimate for `spec`; if none is stored, `predict` gives noisy labels [n] and held-out predictions.

    If several processes need it, one computes and the others wait.
    """
    shared = spec.model_dump(mode="json", include={"protocol", "dataset", "noise", "backbone", "recipe"})
    seeds = spec.seeds.model_dump(include={"noise", "init", "order"})
    clean_set = [] if spec.method.clean_set is None else [spec.method.clean_set]  # taken out of the training set
    parts = [shared, seeds, rate_estimate.FOLDS, rate_estimate.VERSION, *clean_set]
    key = hashlib.sha256(canonical(parts)).hexdigest()[:16]
    path = folder / f"{key}.json"

    def make() -> Estimate:
        started = time.perf_counter()
        with threadpool_limits(1, user_api="blas"):  # sums of several threads differ in their last digits
            noise = estimate_rate(*predict())
        return Estimate(noise, time.perf_counter() - started)

    return once(
        path,
        "estimates of the noise rate",
        read=lambda: _read(path),
        make=make,
        write=lambda result: write_atomically(path, seal_json(asdict(result), path.stem)),
    )


def _read(path: Path) -> Estimate | None:
    try:
        stored = unseal_json(path.read_bytes(), path.stem)
        return Estimate(RateEstimate(**stored["noise"]), stored["seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
