"""What the engine offers to a method: networks, optimizers with schedules, auxiliary fits, diagnostics."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from backbones.base import Network
from benchmark.grid.spec import Recipe
from benchmark.seeds import seed_for
from benchmark.training.diagnostics import Reports
from benchmark.training.optimizers import deviations, make_optimizer
from benchmark.training.train_set import DeviceTrainSet
from methods.base import Hints

PATIENCE = 2
"""Early-stopping patience (epochs) of auxiliary fits."""
STOPPING_SHARE = 0.1
"""Share of the labels of a fold's training part by which its network stops; it is not fitted to these."""

Build = Callable[[int], Network]
"""Makes a network for a number of classes, drawing its weights from torch's generator."""


@dataclass
class Slot:
    """A named optimizer and the epoch at which its schedule began."""

    optimizer: Optimizer
    base_lrs: list[float]
    scheduled: bool
    origin: int


class EngineKit:
    """The engine's `methods.base.Kit`."""

    def __init__(
        self,
        *,
        data: DeviceTrainSet,
        build: Build,
        recipe: Recipe,
        hints: Hints,
        device: torch.device,
        init_key: tuple[str | int, ...],
    ) -> None:
        self.num_samples = len(data)
        self.num_classes = data.num_classes
        self.epochs = recipe.epochs
        self.hints = hints
        self.device = device
        self.reports = Reports(len(data), data.num_classes, device)
        self._data = data
        self._build = build
        self._recipe = recipe
        self._init_key = init_key
        self.deviations: dict[str, dict[str, list[Any]]] = {}
        """Optimizer -> field of the recipe -> [its own value, the recipe's], where these differ."""
        self._slots: dict[str, Slot] = {}
        self._epoch = 0
        self._fits = 0

    # For methods

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._data.images.slice(0, 1).shape[1:])

    @property
    def steps_per_epoch(self) -> int:
        return self._data.num_batches

    def network(self, name: str, num_classes: int | None = None) -> Network:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_for("init", *self._init_key, name))
            return self._build(num_classes or self.num_classes).to(self.device)

    def optimizer(self, name: str, params: Iterable[Any], *, scheduled: bool = True, **overrides: Any) -> Optimizer:
        if name in self._slots:
            raise ValueError(f"optimizer {name!r} exists already; give each optimizer of a method its own name")
        optimizer = make_optimizer(self._recipe, params, overrides)
        if differing := deviations(self._recipe, optimizer, overrides, scheduled):
            self.deviations[name] = differing
        base_lrs = [group["lr"] for group in optimizer.param_groups]
        self._slots[name] = Slot(optimizer, base_lrs, scheduled, self._epoch)
        return optimizer

    def reset(self, name: str) -> None:
        slot = self._slots[name]
        slot.optimizer.state.clear()
        slot.origin = self._epoch
        self._set_lr(slot)

    def slow_down(self, name: str, weight: float) -> None:
        slot = self._slots[name]
        for group, base in zip(slot.optimizer.param_groups, slot.base_lrs, strict=True):
            group["lr"] = base * self._lr_factor(slot) / (1 + weight)

    def update(self, loss: Tensor, *optimizers: Optimizer, before_step: Callable[[], None] | None = None) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if before_step is not None:
            before_step()
        if self._recipe.clip is not None:
            params = [p for o in optimizers for group in o.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(params, self._recipe.clip)
        for optimizer in optimizers:
            optimizer.step()

    def fit(self, network: Network, index: Tensor, epochs: int | None = None) -> None:
        for _ in self._fitting(network, index, epochs or self.epochs):
            pass
        network.eval()

    def out_of_fold(self, folds: int, epochs: int | None = None) -> Tensor:
        probabilities = torch.zeros(self.num_samples, self.num_classes, device=self.device)
        for fold, (train, held) in enumerate(self._folds(folds)):
            network = self.network(f"fold{fold}")
            self._fit_early(network, torch.from_numpy(train).to(self.device), held, epochs)
            probabilities[held] = self._probabilities(network, held)
        return probabilities

    def _folds(self, folds: int) -> list[tuple[np.ndarray, Tensor]]:
        """Training part and held-out samples of every fold."""
        labels = self._data.y.cpu().numpy()
        splitter = _splitter(labels, folds, seed_for("folds", self._data.order_seed) % 2**32)
        with warnings.catch_warnings():
            # A class with fewer labels than folds is held out in some folds only, which is all that can be done.
            warnings.filterwarnings("ignore", "The least populated class")
            parts = list(splitter.split(np.zeros(len(labels)), labels))
        return [(train, torch.from_numpy(held).to(self.device)) for train, held in parts]

    def posterior(self, held_share: float) -> Tensor:
        labels = self._data.y.cpu().numpy()
        if not _can_stratify(labels, held_share):
            _, counts = np.unique(labels, return_counts=True)
            warnings.warn(
                f"{math.ceil(held_share * len(labels))} of {len(labels)} labels cannot hold one of each of the "
                f"{len(counts)} classes (the smallest has {counts.min()}), so they are drawn at random instead of by "
                "class",
                stacklevel=2,
            )
        seed = seed_for("posterior", self._data.order_seed)
        fitted, held = self._split_off(np.arange(self.num_samples), held_share, seed)
        network = self.network("posterior")
        self._fit_early(network, fitted, held, None)
        return self._probabilities(network)

    def _split_off(self, index: np.ndarray, share: float, seed: int) -> tuple[Tensor, Tensor]:
        """`index` without `share` of it, and that share: of every class, or of all at random where one is too small."""
        from sklearn.model_selection import train_test_split

        labels = self._data.y.cpu().numpy()[index]
        strata = labels if _can_stratify(labels, share) else None
        if len(index) < 2:
            parts = [index, index]  # nothing can be split off
        else:
            parts = train_test_split(index, test_size=share, stratify=strata, random_state=seed % 2**32)
        rest, held = (torch.from_numpy(part).to(self.device) for part in parts)
        return rest, held

    def _probabilities(self, network: Network, index: Tensor | None = None) -> Tensor:
        return self._data.scan(lambda x: network(x).softmax(1), index)

    def _fit_early(self, network: Network, index: Tensor, held: Tensor, epochs: int | None) -> None:
        """Fits `network` and restores the epoch that agrees best with the noisy labels of `held`.

        Later epochs memorize wrong labels and predict held-out samples worse.
        """
        best, state, since = -1.0, {}, 0
        for _ in self._fitting(network, index, epochs or self.epochs):
            network.eval()
            predicted = self._data.scan(lambda x: network(x).argmax(1), held)
            agreement = float((predicted == self._data.y[held]).float().mean())
            since += 1
            if agreement > best:
                best, state, since = agreement, copy.deepcopy(network.state_dict()), 0
            if since == PATIENCE:
                break
        network.load_state_dict(state)

    def _fitting(self, network: Network, index: Tensor, epochs: int) -> Iterator[None]:
        """Trains `network` with cross entropy, an epoch per step of the iteration."""
        self._fits += 1
        data = copy.copy(self._data)  # its own epoch and pass counters over the same images
        optimizer = make_optimizer(self._recipe, network.parameters(), {})
        purpose = f"fit/{self._epoch}/{self._fits}"
        for epoch in range(epochs):
            network.train()
            data.start_epoch(epoch, purpose)
            for group in optimizer.param_groups:
                group["lr"] = self._recipe.lr * lr_factor(self._recipe, epoch / epochs)
            for batch in data.batches(index):
                self.update(F.cross_entropy(network(batch.x[0]), batch.y), optimizer)
            yield

    def schedule(self, fraction: float) -> int:
        return max(1, round(fraction * self.epochs))

    def report(
        self,
        index: Tensor,
        *,
        kept: Tensor | None = None,
        score: Tensor | None = None,
        label: Tensor | None = None,
    ) -> None:
        self.reports.add(index, kept, score, label)

    def report_transition(self, transition: Tensor) -> None:
        self.reports.add_transition(transition)

    # For the engine

    def held_out(self, folds: int) -> Tensor:
        """As `out_of_fold`, but no label of a fold decides when its network stops: a part of the others does.

        A network that stops by the held-out labels is the one that agrees best with their wrong ones too.
        """
        probabilities = torch.zeros(self.num_samples, self.num_classes, device=self.device)
        for fold, (train, held) in enumerate(self._folds(folds)):
            probabilities[held] = self._judged(f"fold{fold}", train, held)
        return probabilities

    def twin(self, folds: int) -> tuple[Tensor, Tensor]:
        """The samples [m] of the first fold, and their probabilities [m, K] by another network than `held_out`'s.

        It differs in its first weights and in the order of its batches.
        """
        train, held = self._folds(folds)[0]
        return held, self._judged("twin", train, held)

    def trajectory(self) -> Iterator[Tensor]:
        """Logits [n, K] of all samples, in eval mode, after each epoch of one training on all of them."""
        network = self.network("trajectory")
        for _ in self._fitting(network, torch.arange(self.num_samples, device=self.device), self.epochs):
            network.eval()
            yield self._data.scan(network)

    def _judged(self, name: str, train: np.ndarray, held: Tensor) -> Tensor:
        """Probabilities of the samples `held` by a network fitted to `train`, a part of which decides when to stop."""
        fitted, watched = self._split_off(train, STOPPING_SHARE, seed_for("stopping", self._data.order_seed, name))
        network = self.network(name)
        self._fit_early(network, fitted, watched, None)
        return self._probabilities(network, held)

    def start_epoch(self, epoch: int) -> None:
        self._epoch, self._fits = epoch, 0
        self._data.start_epoch(epoch)
        if isinstance(self.hints.given_clean_set, DeviceTrainSet):
            self.hints.given_clean_set.start_epoch(epoch, "clean-set")
        self.reports.clear()
        for slot in self._slots.values():
            self._set_lr(slot)

    @property
    def lr(self) -> float | None:
        """The learning rate of the first optimizer; None where there is none, as nothing is trained."""
        first = next(iter(self._slots.values()), None)
        return None if first is None else first.optimizer.param_groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        return {
            name: {"optimizer": slot.optimizer.state_dict(), "origin": slot.origin}
            for name, slot in self._slots.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, slot in self._slots.items():
            slot.optimizer.load_state_dict(state[name]["optimizer"])
            slot.origin = state[name]["origin"]

    def _set_lr(self, slot: Slot) -> None:
        for group, base in zip(slot.optimizer.param_groups, slot.base_lrs, strict=True):
            group["lr"] = base * self._lr_factor(slot)

    def _lr_factor(self, slot: Slot) -> float:
        if not slot.scheduled:
            return 1.0
        return lr_factor(self._recipe, (self._epoch - slot.origin) / max(1, self.epochs - slot.origin))


def _splitter(labels: np.ndarray, folds: int, seed: int) -> Any:
    """Divides `labels` [n] into folds with equal shares of the classes; at random where no class has one for each."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if np.bincount(labels).max() >= folds:
        return StratifiedKFold(folds, shuffle=True, random_state=seed)
    warnings.warn(
        f"no class has {folds} of the {len(labels)} labels, so the folds are drawn at random instead of by class",
        stacklevel=3,
    )
    return KFold(min(folds, len(labels)), shuffle=True, random_state=seed)


def _can_stratify(labels: np.ndarray, held_share: float) -> bool:
    """Whether every class of `labels` [n] can have a sample in both parts when `held_share` of them is held out."""
    _, counts = np.unique(labels, return_counts=True)
    held = math.ceil(held_share * len(labels))
    return bool(counts.min() > 1 and min(held, len(labels) - held) >= len(counts))


def lr_factor(recipe: Recipe, progress: float) -> float:
    """Factor of the learning rate after the fraction `progress` in [0, 1) of the epochs."""
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if recipe.schedule == "multistep":
        # The tolerance keeps a milestone on its epoch where epoch / epochs rounds below it.
        return recipe.gamma ** sum(progress >= milestone - 1e-9 for milestone in recipe.milestones)
    return 1.0
