"""What a backbone is: a network split into features and head that takes images in [0, 1] as they are.

A backbone is one class in `backbones/`. Its network normalizes its own input, so that no preprocessing can
be forgotten or done twice, and lives in channels-last memory, which every device trains fastest in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from backbones._small_maps import use_small_maps

HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation of networks without pretrained weights: [0, 1] becomes [-1, 1]."""


class BackboneError(ValueError):
    """A backbone that cannot be built as asked: what was wrong, what was expected, what to type."""


class Settings(BaseModel):
    """Base of every configuration: immutable, unknown keys and non-finite numbers refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Network(nn.Module, ABC):
    """Images [B, C, H, W] in [0, 1] to logits [B, K]: `head(features(x))`.

    A family implements `embed`, `classify` and `stages`. With `amp`, both halves run in bfloat16 autocast on
    CUDA. Features and logits are float32 then, and float64 in a network of doubles.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, mean: Sequence[float], std: Sequence[float], amp: bool) -> None:
        """`mean` and `std` per channel of the network's own input, which has `channels` channels (1 or 3).

        They are non-persistent buffers: a state dict holds what training may change and nothing else.
        """
        super().__init__()
        self.channels = channels
        self.amp = amp
        self.register_buffer("mean", torch.tensor(mean[:channels])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std[:channels])[:, None, None], persistent=False)

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Features [B, D] of normalized images [B, channels, H, W]."""

    @abstractmethod
    def classify(self, z: Tensor) -> Tensor:
        """Logits [B, K] of features [B, D]."""

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts of the network, early to late; the last one is the classifying layer alone."""

    def prepare(self, x: Tensor) -> Tensor:
        """Normalized images; a gray image becomes three equal channels where the network expects colors."""
        return ((x.expand(-1, self.channels, -1, -1) - self.mean) / self.std).contiguous(
            memory_format=torch.channels_last
        )

    def features(self, x: Tensor) -> Tensor:
        """Features [B, D] of images [B, C, H, W] in [0, 1]."""
        with self._precision(x):
            return _at_least_float32(self.embed(self.prepare(x)))

    def head(self, z: Tensor) -> Tensor:
        """Logits [B, K] of features [B, D]."""
        with self._precision(z):
            return _at_least_float32(self.classify(z))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def _precision(self, x: Tensor) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.bfloat16, enabled=self.amp and x.is_cuda)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


class Backbone(ABC):
    """A family of networks, configured; `argument` is what follows the slash in a name ("timm/resnet18")."""

    version: ClassVar[int] = 1
    """Bump when the numbers change."""

    class Config(Settings):
        """No options."""

    cfg: Any

    def __init__(self, cfg: Settings, argument: str = "") -> None:
        self.cfg = cfg
        self.argument = argument

    def build(self, channels: int, num_classes: int, image_size: int, amp: bool, small_maps: bool = True) -> Network:
        """A fresh network for images with `channels` (1 or 3) channels and `image_size` pixels a side.

        Its weights depend on torch's global generator only. `small_maps` computes convolutions on small maps
        as dense products on the CPU: the same function, faster, equal up to rounding. Raises BackboneError.
        """
        if channels not in (1, 3):
            raise BackboneError(f"images have {channels} channels; expected 1 (gray) or 3 (RGB)")
        network = self.network(channels, num_classes, image_size, amp)
        network.to(memory_format=torch.channels_last)
        return use_small_maps(network) if small_maps else network

    @abstractmethod
    def network(self, channels: int, num_classes: int, image_size: int, amp: bool) -> Network:
        """The network itself; arguments as in `build`."""
