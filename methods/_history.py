"""The predictions of the last epochs for every training sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PredictionWindow(nn.Module):
    """Ring of the probabilities that a method saw in its last `length` epochs, in a buffer [W, N, K]."""

    probabilities: Tensor

    def __init__(self, length: int, num_samples: int, num_classes: int, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("probabilities", torch.zeros(length, num_samples, num_classes, device=device))

    def fill(self, y: Tensor) -> None:
        """Certainty of the labels `y` [N]: what stands for a sample that an epoch leaves out."""
        self.probabilities.zero_()
        self.probabilities.scatter_(2, y.expand(len(self.probabilities), -1)[..., None], 1.0)

    def record(self, epoch: int, index: Tensor, probabilities: Tensor) -> None:
        """Keeps `probabilities` [B, K] of the samples `index` [B] as those of `epoch`."""
        slot = epoch % len(self.probabilities)
        self.probabilities[slot, index] = probabilities.detach().to(self.probabilities.dtype)

    def mean(self, epochs: int) -> Tensor:
        """[N, K] mean over the last recorded epochs, when `epochs` of them are past."""
        return self.probabilities[: max(1, epochs)].mean(0)
