"""What a method may know beyond the noisy labels: the truth in the oracle track, an estimate in the blind one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.errors import UsageError
from benchmark.grid.spec import Track
from benchmark.noise.manifest import Manifest
from benchmark.noise.rate_estimate import Estimate
from benchmark.runs.prepare import Skipped
from methods.base import Hints


@dataclass(frozen=True)
class Given:
    """The hints of a run, and what its record says of them."""

    hints: Hints
    estimate: Estimate | None = None
    """Of the noise rate, where the method needs one in the blind track."""


def find_hints(
    required: frozenset[str],
    track: Track,
    manifest: Manifest,
    estimate: Callable[[], Estimate],
    device: torch.device,
) -> Given:
    """The `required` hints by the rules of `track`; `estimate` is only called where the rate must be estimated.

    Raises Skipped where the truth is unknown, UsageError where the blind track cannot give a hint.
    """
    if not required:
        return Given(Hints())
    if track == "oracle":
        if manifest.realized_rate is None:
            raise Skipped("the true labels are unknown, so there is no oracle track; use --track blind")
        rate = manifest.realized_rate if "noise_rate" in required else None
        transition = None
        if "transition" in required and manifest.transition is not None:
            transition = torch.tensor(manifest.transition, dtype=torch.float32, device=device)
        return Given(Hints(rate, transition))
    if "transition" in required:
        raise UsageError("the method needs the transition matrix; run it with --track oracle")
    found = estimate()
    return Given(Hints(found.noise_rate), found)
