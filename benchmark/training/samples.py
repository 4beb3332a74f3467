"""What networks are trained on, on the device: images, or the features of a frozen network."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmark.grid.spec import Augment
from benchmark.seeds import seed_for
from benchmark.training.augment import augment, uniforms


class Samples(Protocol):
    """Inputs of networks, all on the device: images, or the features of a frozen network."""

    data: Tensor
    """[n, ...] as they are stored."""

    def __len__(self) -> int: ...

    def gather(self, index: Tensor) -> Tensor:
        """Network inputs [B, ...] float of the samples `index`."""
        ...

    def slice(self, start: int, stop: int) -> Tensor:
        """As `gather`, for the samples from `start` up to `stop`."""
        ...

    def take(self, index: Tensor) -> Samples:
        """The samples `index` as a set of their own, to be read many times in order."""
        ...

    def augmented(self, plain: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
        """Augmented inputs of the samples `index`, made from their inputs `plain`; depends on the arguments only."""
        ...


class Images:
    """[n, H, W, C] uint8 on the device; batches come out as channels-last float [B, C, H, W] in [0, 1]."""

    def __init__(self, images: np.ndarray, device: torch.device) -> None:
        # A copy only where the array is read-only, as a memory map is.
        self.data = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device)

    def __len__(self) -> int:
        return self.data.shape[0]

    def gather(self, index: Tensor) -> Tensor:
        return self.data[index].permute(0, 3, 1, 2).float().mul_(1 / 255)

    def slice(self, start: int, stop: int) -> Tensor:
        return self.data[start:stop].permute(0, 3, 1, 2).float().mul_(1 / 255)

    def take(self, index: Tensor) -> Samples:
        return Chosen(self, index)

    def augmented(self, plain: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
        return augment(plain, index, policy, seed, epoch, view)


class Chosen:
    """A selection of another set's samples, in a given order, without copying them."""

    def __init__(self, samples: Samples, index: Tensor) -> None:
        self.samples = samples
        self.index = index
        self.data = samples.data

    def __len__(self) -> int:
        return len(self.index)

    def gather(self, index: Tensor) -> Tensor:
        return self.samples.gather(self.index[index])

    def slice(self, start: int, stop: int) -> Tensor:
        return self.samples.gather(self.index[start:stop])

    def take(self, index: Tensor) -> Samples:
        return Chosen(self.samples, self.index[index])

    def augmented(self, plain: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
        return self.samples.augmented(plain, self.index[index], policy, seed, epoch, view)


class Features:
    """[n, D] float on the device; with `views` [K, n, D], training sees these stored augmentations instead."""

    def __init__(self, data: Tensor, views: Tensor | None = None) -> None:
        self.data = data
        self.views = views

    def __len__(self) -> int:
        return self.data.shape[0]

    def gather(self, index: Tensor) -> Tensor:
        return self.data.index_select(0, index)  # half the time of indexing with brackets

    def slice(self, start: int, stop: int) -> Tensor:
        return self.data[start:stop]

    def take(self, index: Tensor) -> Samples:
        return Features(self.gather(index))  # copied once: gathering at every epoch would take longer than a head

    def augmented(self, plain: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
        """One of the stored augmentations of each sample; `policy` is the one that they were made with.

        Up to K successive views of a sample are different augmentations.
        """
        if self.views is None:
            return plain
        count = self.views.shape[0]
        (draw,) = uniforms(index, seed_for("stored-view", seed, epoch), 1)
        chosen = ((draw * count).long() + view) % count
        return self.views.flatten(0, 1).index_select(0, chosen * len(self) + index)
