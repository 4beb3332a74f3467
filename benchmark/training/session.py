"""Sets up a training: the training set on the device, and seeded kits and methods for it."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.grid.spec import Augment, Recipe
from benchmark.seeds import seed_everything
from benchmark.training.kit import Build, EngineKit
from benchmark.training.samples import Samples
from benchmark.training.train_set import DeviceTrainSet
from methods.base import Hints, Method, Settings


class Session:
    """A training set, with the recipe and the networks that are trained on it."""

    def __init__(
        self,
        samples: Samples,
        noisy_labels: np.ndarray,
        num_classes: int,
        recipe: Recipe,
        build: Build,
        *,
        order_seed: int,
        init_key: tuple[str | int, ...],
        device: torch.device,
    ) -> None:
        """`noisy_labels` [n] int64; `init_key` keys the initial weights, `order_seed` batches and augmentation."""
        self.recipe = recipe
        self.device = device
        self.num_classes = num_classes
        self.order_seed = order_seed
        self.data = self.train_set(samples, noisy_labels)
        self._build = build
        self._init_key = init_key

    def train_set(self, samples: Samples, labels: np.ndarray) -> DeviceTrainSet:
        """`samples` with `labels` [n] in batches of the recipe: the training set, or a clean set beside it."""
        return DeviceTrainSet(
            samples,
            labels,
            self.num_classes,
            batch_size=self.recipe.batch_size,
            policy=self.recipe.augment or Augment(),
            order_seed=self.order_seed,
        )

    def kit(self, hints: Hints | None = None) -> EngineKit:
        """A fresh kit on the session's training set."""
        return EngineKit(
            data=self.data,
            build=self._build,
            recipe=self.recipe,
            hints=hints or Hints(),
            device=self.device,
            init_key=self._init_key,
        )

    def method(
        self, plugin: type[Method], config: Settings, *, seed: int, hints: Hints | None = None
    ) -> tuple[Method, EngineKit]:
        """Seeds all generators with `seed`, then builds the method with a new kit."""
        kit = self.kit(hints)
        seed_everything(seed)
        method = plugin(config, kit).to(self.device)
        self.data.model = method
        return method, kit
