"""A small, fast training set-up on which a method's promises are checked."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from backbones.base import HALF, Network
from benchmark.grid.spec import Augment, Recipe
from benchmark.registry import METHODS
from benchmark.seeds import seed_everything, seed_for
from benchmark.training.kit import Build
from benchmark.training.samples import Images
from benchmark.training.session import Session
from benchmark.training.trainer import Evaluation, Evaluations, Progress, Trainer, Watched
from methods.base import Hints

CPU = torch.device("cpu")
NUM_CLASSES = 3
NOISE_RATE = 0.2
CLEAN_SET = 24
"""Samples with true labels for methods that need them."""


def images(num_samples: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Separable images [n, 8, 8, 1] uint8 and labels [n]: each class lights its own columns, under noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_samples) % num_classes
    pixels = generator.integers(0, 90, (num_samples, 8, 8, 1))
    width = 8 // num_classes
    for sample, label in enumerate(labels):
        pixels[sample, :, label * width : (label + 1) * width] += 150
    return pixels.astype(np.uint8), labels.astype(np.int64)


def flipped(labels: np.ndarray, num_classes: int, rate: float) -> np.ndarray:
    """A copy with the share `rate` of labels moved to the next class."""
    generator = np.random.default_rng(5)
    wrong = generator.random(len(labels)) < rate
    return np.where(wrong, (labels + 1) % num_classes, labels)


class TinyNetwork(Network):
    """A strided convolution with batch norm and a linear head for gray images of 8x8: a step takes milliseconds."""

    WIDTH: ClassVar[int] = 12

    def __init__(self, num_classes: int) -> None:
        super().__init__(1, HALF, HALF, amp=False)
        self.body = nn.Sequential(
            nn.Conv2d(1, self.WIDTH, 3, stride=2, padding=1), nn.BatchNorm2d(self.WIDTH), nn.ReLU(), nn.Flatten()
        )
        self.classifier = nn.Linear(self.WIDTH * 16, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        return self.body(x)

    def classify(self, z: Tensor) -> Tensor:
        return self.classifier(z)

    def stages(self) -> list[nn.Module]:
        return [self.body, self.classifier]


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes in one thread, as `noisybench run` does by default: with more, sums end in other bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Enough(Exception):
    """Ends a training early."""


@dataclass
class Lab:
    """One method on the small problem. Everything is a function of the fields, not of global state.

    Derived classes set other problems: other images, wrong labels, networks and recipes.
    """

    network: ClassVar[Build] = TinyNetwork

    method: str
    options: dict[str, Any]
    epochs: int = 8
    noise_rate: float = NOISE_RATE
    num_classes: int = NUM_CLASSES
    seed: int = 0
    lr: float = 3e-3
    batch_size: int = 16
    num_samples: int = 90

    def __post_init__(self) -> None:
        pixels, self.clean = self.images(self.num_samples, 1)
        self.noisy = self.flipped(self.clean)
        session = Session(
            Images(pixels, CPU),
            self.noisy,
            self.num_classes,
            self.recipe(),
            type(self).network,
            order_seed=self.seed,
            init_key=(self.seed, "lab"),
            device=CPU,
        )
        pixels, labels = self.images(CLEAN_SET, 3)
        self.clean_set = session.train_set(Images(pixels, CPU), labels)
        plugin = METHODS.load(self.method)
        config = plugin.Config.model_validate(self.options)
        self.required: frozenset[str] = plugin.requires(config)
        self.data = session.data
        self.instance, self.kit = session.method(
            plugin, config, seed=seed_for("method", self.seed, self.method), hints=self.hints(self.required)
        )

    def images(self, num_samples: int, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [n, 8, 8, 1] uint8 and right labels [n].

        `part`: 1 is the training set, 2 the test set, 3 the clean set.
        """
        return images(num_samples, self.num_classes, part)

    def flipped(self, labels: np.ndarray) -> np.ndarray:
        """A copy of `labels` [n] with the share `noise_rate` of them wrong."""
        return flipped(labels, self.num_classes, self.noise_rate)

    def transition(self) -> Tensor:
        """[K, K] the T of `flipped`."""
        kept = torch.eye(self.num_classes)
        return (1 - self.noise_rate) * kept + self.noise_rate * kept.roll(1, 1)

    def recipe(self) -> Recipe:
        return Recipe(epochs=self.epochs, batch_size=self.batch_size, lr=self.lr, augment=Augment())

    def hints(self, names: frozenset[str]) -> Hints:
        return Hints(
            self.noise_rate if "noise_rate" in names else None,
            self.transition() if "transition" in names else None,
            self.clean_set if "clean_set" in names else None,
            self.soft_labels() if "soft_labels" in names else None,
        )

    def soft_labels(self) -> Tensor:
        """[N, K] shares of two raters: one gave the noisy labels, the other is wrong as often, elsewhere."""
        half = self.num_samples // 2
        other = np.roll(self.flipped(np.roll(self.clean, half)), -half)
        votes = torch.from_numpy(np.stack([self.noisy, other]))
        return torch.nn.functional.one_hot(votes, self.num_classes).float().mean(0)

    def trainer(self, checkpoint: Path) -> Trainer:
        pixels, labels = self.images(60, 2)
        evaluation = Evaluation(Images(pixels, CPU), labels, labels)
        return Trainer(
            self.instance,
            self.kit,
            self.data,
            Watched(self.noisy, self.clean, None),
            Evaluations(evaluation, evaluation),
            main_metric="accuracy",
            method_seed=self.seed,
            checkpoint=checkpoint,
            checkpoint_seconds=math.inf,
        )

    def train(self) -> Progress:
        with tempfile.TemporaryDirectory() as folder:
            return self.trainer(Path(folder) / "checkpoint.pt").run()

    def train_and_save(self, checkpoints: Mapping[int, Path]) -> Progress:
        """Trains to the end; a checkpoint is written after each number of epochs that `checkpoints` names."""
        trainer = self.trainer(next(iter(checkpoints.values())))

        def save(done: int, total: int) -> None:
            if done in checkpoints:
                trainer.checkpoint = checkpoints[done]
                trainer._save()

        trainer.on_epoch = save
        return trainer.run()

    def best_accuracy(self, enough: float) -> float:
        """The best test accuracy of an epoch; training ends with the first epoch that reaches `enough`."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = self.trainer(Path(folder) / "checkpoint.pt")

            def stop(done: int, total: int) -> None:
                if trainer.progress.curve[-1]["test"]["accuracy"] >= enough:
                    raise _Enough

            trainer.on_epoch = stop
            with suppress(_Enough):
                trainer.run()
        return max(entry["test"]["accuracy"] for entry in trainer.progress.curve)

    def start(self, epoch: int) -> None:
        """Seeds and schedules of an epoch, as the trainer sets them, for checks that step by hand."""
        seed_everything(seed_for("epoch", self.seed, epoch))
        self.kit.start_epoch(epoch)
        self.instance.epoch = epoch
        self.instance.train()

    def sharpen(self, size: float) -> None:
        """Scales the heads of all networks so that their largest logits on the training images are `size`."""
        networks = [module for module in self.instance.modules() if isinstance(module, TinyNetwork)]
        for network in networks:
            largest = self.data.scan(network).abs().max()
            with torch.no_grad():
                for parameter in network.classifier.parameters():
                    parameter.mul_(size / largest.clamp(min=1e-6))

    def state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.instance.state_dict().items()}


def differing(first: dict[str, Tensor], second: dict[str, Tensor]) -> list[str]:
    """Names of the tensors that differ in a bit (NaN equals NaN)."""
    return [
        name
        for name, value in first.items()
        if not torch.equal(torch.nan_to_num(value.double()), torch.nan_to_num(second[name].double()))
    ]
