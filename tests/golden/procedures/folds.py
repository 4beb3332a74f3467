"""The engine's own auxiliary fits on folds, from recorded initial weights, in recorded orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmark.grid.spec import Recipe
from benchmark.training import kit as engine
from methods.base import Hints, TrainSet


class FoldData:
    """What the engine's kit needs of a training set: the epochs of every fit have the orders of the run's epochs."""

    order_seed = 0

    def __init__(self, data: Any) -> None:
        self.data, self.y, self.num_classes = data, data.y, data.num_classes

    def __len__(self) -> int:
        return len(self.y)

    def start_epoch(self, epoch: int, purpose: str) -> None:
        self.data.epoch, self.data.passes = epoch, []

    def batches(self, index: Tensor) -> Any:
        return self.data.batches(index)

    def scan(self, fn: Callable[[Tensor], Tensor], index: Tensor) -> Tensor:
        return self.data.scan(fn, index)


class FoldKit(engine.EngineKit):
    """The engine's kit with networks of `lend`; the random state of its folds is `seed`."""

    def __init__(self, data: TrainSet, lend: Callable[[str], nn.Module], recipe: Recipe, seed: int) -> None:
        super().__init__(
            data=FoldData(data),  # type: ignore[arg-type]
            build=lambda classes: None,  # type: ignore[arg-type, return-value]
            recipe=recipe,
            hints=Hints(),
            device=torch.device("cpu"),
            init_key=(),
        )
        self.lend, self.seed = lend, seed

    def network(self, name: str, num_classes: int | None = None) -> Any:
        return self.lend(name)

    def _probabilities(self, network: Any, index: Tensor | None = None) -> Tensor:
        return super()._probabilities(network, index).float()  # the engine keeps them in single precision

    def out_of_fold(self, folds: int, epochs: int | None = None) -> Tensor:
        with patch.object(engine, "seed_for", lambda *key: self.seed):
            return super().out_of_fold(folds, epochs)
