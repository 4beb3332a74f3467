"""What detectors look at: one data set and networks trained on it. Everything is computed when it is first asked for,
and shared by all detectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmark.grid.spec import Recipe, Seeds
from benchmark.noise import linear_heads
from benchmark.noise.rate_estimate import HeldOut, RateEstimate, estimate_rate
from benchmark.runs.assemble import Network
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.held_out import by_networks
from benchmark.runs.prepare import LabelledSet
from benchmark.seeds import seed_everything, seed_for
from benchmark.training.kit import EngineKit
from benchmark.training.samples import Images, Samples


@dataclass
class Probe:
    """The labels of `part`, and what networks of one backbone make of them."""

    network: Network
    part: LabelledSet
    num_classes: int
    recipe: Recipe
    """That the networks train with."""
    seeds: Seeds
    folds: int
    cache: Path
    """Keeps the features of a frozen network."""
    device: torch.device
    votes: np.ndarray | None = None
    """[n, R] labels of R raters, -1 where a rater gave none; None where they are not known."""
    say: Callable[[str], None] = lambda text: None
    """Receives messages about what takes minutes."""

    @property
    def labels(self) -> np.ndarray:
        """[n] the given labels."""
        return self.part.noisy

    @property
    def frozen(self) -> bool:
        """Whether only a head is trained, on stored features."""
        return self.network.backbone.frozen

    @cached_property
    def samples(self) -> Samples:
        if not self.frozen:
            return Images(self.part.images, self.device)
        backbone, part = self.network.backbone, self.network.part
        return FeatureSource(backbone, part, self.recipe, self.part, self.cache, self.device, self.say).train

    @cached_property
    def features(self) -> np.ndarray:
        """[n, D] float32, standardized; only of a frozen network."""
        return self.samples.data.float().cpu().numpy()

    @cached_property
    def held_out(self) -> HeldOut:
        """Predictions by networks that were trained without the sample: linear heads on features, where there are."""
        if self.frozen:
            seed = seed_for("folds", self.seeds.order)
            return linear_heads.held_out(self.features, self.labels, self.num_classes, folds=self.folds, seed=seed)
        return by_networks(self._kit(), self.folds, "suspects", self.seeds.order)

    @cached_property
    def estimate(self) -> RateEstimate:
        """The share of wrong labels, by the held-out predictions."""
        return estimate_rate(self.labels, self.held_out)

    @cached_property
    def trajectory(self) -> np.ndarray:
        """[E, n, K] float32 logits of every sample after each of the E epochs of one training on all of them."""
        seed_everything(seed_for("trajectory", self.seeds.order))
        return np.stack([logits.float().cpu().numpy() for logits in self._kit().trajectory()])

    def _kit(self) -> EngineKit:
        return self.network.session(self.samples, self.labels, self.num_classes, self.recipe, self.seeds).kit()
