"""The training set on the device: shuffled, gathered and augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.grid.spec import Augment
from benchmark.seeds import seed_for
from benchmark.training.samples import Samples
from methods.base import Batch

EVAL_BATCH = 512


class DeviceTrainSet:
    """The engine's `methods.base.TrainSet`."""

    def __init__(
        self,
        images: Samples,
        noisy_labels: np.ndarray,
        num_classes: int,
        *,
        batch_size: int,
        policy: Augment,
        order_seed: int,
    ) -> None:
        self.images = images
        self.num_classes = num_classes
        self.y = torch.from_numpy(np.array(noisy_labels)).to(images.data.device)
        self.batch_size = batch_size
        self.policy = policy
        self.order_seed = order_seed
        self.model: nn.Module | None = None
        """Put into eval mode by `scan`."""
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_batches(self) -> int:
        """Batches of a pass over all samples; a last batch of one is dropped."""
        full, rest = divmod(len(self), self.batch_size)
        return max(1, full + (rest > 1))

    def start_epoch(self, epoch: int, purpose: str = "train") -> None:
        """Sets the key of all random draws until the next call; `purpose` separates auxiliary fits from training."""
        self.epoch = epoch
        self.purpose = purpose
        self.passes = 0

    def batches(self, index: Tensor | None = None, *, views: int = 1, augment: bool = True) -> Iterator[Batch]:
        # The pass is counted here and not at the first batch, so that the numbering follows the calls.
        number, self.passes = self.passes, self.passes + 1
        return self._batches(index, views, augment, number)

    def _batches(self, index: Tensor | None, views: int, augmented: bool, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed_for("order", self.order_seed, self.purpose, self.epoch, number))
        order = torch.randperm(len(self), generator=generator).to(self.y.device)
        if index is not None:
            # Shuffle the whole set, then filter: a method that keeps nearly all samples gets nearly the same order.
            chosen = torch.zeros(len(self), dtype=torch.bool, device=self.y.device)
            chosen[index] = True
            order = order[chosen[order]]
        view_base = number * views
        for position in order.split(self.batch_size):
            if len(position) == 1:
                return
            plain = self.images.gather(position)
            inputs = [self._augment(plain, position, view_base + view) if augmented else plain for view in range(views)]
            yield Batch(x=torch.stack(inputs) if views > 1 else inputs[0][None], y=self.y[position], index=position)

    def _augment(self, x: Tensor, index: Tensor, view: int) -> Tensor:
        seed = seed_for("view", self.order_seed, self.purpose)
        return self.images.augmented(x, index, self.policy, seed, self.epoch, view)

    @torch.no_grad()
    def scan(self, fn: Callable[[Tensor], Tensor], index: Tensor | None = None) -> Tensor:
        modes = [(module, module.training) for module in self.model.modules()] if self.model else []
        if self.model is not None:
            self.model.eval()
        try:
            if index is None:
                return predict(fn, self.images)
            return torch.cat([fn(self.images.gather(part)) for part in index.split(EVAL_BATCH)])
        finally:
            for module, mode in modes:
                module.training = mode


@torch.no_grad()
def predict(fn: Callable[[Tensor], Tensor], images: Samples) -> Tensor:
    """`fn` over all samples in order, without gradient: [n, ...] on the device."""
    starts = range(0, len(images), EVAL_BATCH)
    return torch.cat([fn(images.slice(start, start + EVAL_BATCH)) for start in starts])
