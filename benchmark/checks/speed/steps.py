"""Training steps of a method on random images without the rest of a run, for timing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from benchmark.grid.spec import Augment, Recipe
from benchmark.registry import BACKBONES, METHODS
from benchmark.seeds import seed_everything, seed_for
from benchmark.training.samples import Images
from benchmark.training.session import Session
from benchmark.training.train_set import DeviceTrainSet
from methods.base import Batch, Hints, Method

BATCH = 128
SIDE = 28
POLICY = Augment(flip=True, rotate=15)
CPU = torch.device("cpu")
TRAINING = ("build", "plan", "step", "logits", "descend", "optimizers", "before_step", "after_step")
"""What a method may override for its training, except `loss`."""
RATE = 0.2
"""The noise rate that is given to methods which need one."""


@lru_cache(maxsize=4)
def random_images(num_samples: int, channels: int, device: torch.device) -> Images:
    generator = np.random.default_rng(0)
    return Images(generator.integers(0, 256, (num_samples, SIDE, SIDE, channels), dtype=np.uint8), device)


def random_labels(num_samples: int, num_classes: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, num_classes, num_samples)


def only_loss(plugin: type[Method]) -> bool:
    """Whether the method changes nothing but the loss."""
    return all(getattr(plugin, name) is getattr(Method, name) for name in TRAINING)


class Steps:
    """A method ready to step. Of `epochs`, all but the last are trained first, so that phases are entered."""

    def __init__(
        self,
        method: str,
        *,
        backbone: str = "cnn",
        backbone_options: Mapping[str, Any] | None = None,
        num_samples: int = 2 * BATCH,
        num_classes: int = 9,
        channels: int = 3,
        epochs: int = 1,
        small_maps: bool = True,
        device: torch.device = CPU,
        amp: bool = False,
    ) -> None:
        recipe = Recipe(epochs=epochs, batch_size=BATCH, augment=POLICY)
        labels = random_labels(num_samples, num_classes)
        family = BACKBONES.load(backbone)
        network = family(family.Config.model_validate(backbone_options or {}), backbone.partition("/")[2])
        session = Session(
            random_images(num_samples, channels, device),
            labels,
            num_classes,
            recipe,
            lambda classes: network.build(channels, classes, SIDE, amp, small_maps),
            order_seed=0,
            init_key=(0,),
            device=device,
        )
        plugin = METHODS.load(method)
        config = plugin.Config()
        clean_set = session.train_set(random_images(BATCH, channels, device), random_labels(BATCH, num_classes))
        hints = _hints(plugin.requires(config), labels, num_classes, clean_set)
        self.data = session.data
        self.method, self.kit = session.method(plugin, config, seed=seed_for("method", 0, method), hints=hints)
        for epoch in range(epochs - 1):
            for batch in self.plan(epoch):
                self.method.step(batch)
        self.batches = list(itertools.islice(self.plan(epochs - 1), 2))
        self._turn = itertools.cycle(self.batches)

    def step(self) -> None:
        """One step on one of two prepared batches."""
        self.method.step(next(self._turn))

    def stream(self) -> Iterator[int]:
        """Endless training, batches made as in a run: the number of images of every step."""
        for epoch in itertools.count():
            for batch in self.plan(epoch):
                self.method.step(batch)
                yield len(batch.index)

    def plan(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, seeded as the trainer does."""
        seed_everything(seed_for("epoch", 0, epoch))
        self.kit.start_epoch(epoch)
        self.method.epoch = epoch
        self.method.train()
        return self.method.plan(epoch, self.data)


def _hints(required: frozenset[str], labels: np.ndarray, num_classes: int, clean_set: DeviceTrainSet) -> Hints:
    stays = torch.eye(num_classes, device=clean_set.y.device)
    transition = stays * (1 - RATE) + (1 - stays) * RATE / (num_classes - 1)
    return Hints(
        RATE if "noise_rate" in required else None,
        transition if "transition" in required else None,
        clean_set if "clean_set" in required else None,
        stays[torch.from_numpy(labels).to(stays.device)] if "soft_labels" in required else None,
    )
