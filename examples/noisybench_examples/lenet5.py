"""LeNet-5 (LeCun et al., Proceedings of the IEEE 1998)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from backbones import Backbone, Network
from backbones.base import HALF

SIDE = 32
"""Pixels a side that the architecture takes: smaller and larger images are resized to it."""


class _LeNet(Network):
    def __init__(self, channels: int, num_classes: int, hidden: int, amp: bool) -> None:
        super().__init__(channels, HALF, HALF, amp, input_size=SIDE)
        self.first = nn.Sequential(nn.Conv2d(channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2))
        self.second = nn.Sequential(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten())
        self.dense = nn.Sequential(nn.Linear(400, hidden), nn.Tanh(), nn.Linear(hidden, 84), nn.Tanh())
        self.classifier = nn.Linear(84, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        return self.dense(self.second(self.first(x)))

    def classify(self, z: Tensor) -> Tensor:
        return self.classifier(z)

    def stages(self) -> list[nn.Module]:
        return [self.first, self.second, self.dense, self.classifier]


class LeNet5(Backbone):
    """Two 5x5 convolutions (6, 16 channels) with tanh and average pooling, dense layers of 120 and 84.

    As it is built today: every channel of the second convolution sees all six of the first (the paper's table
    leaves some out), pooling has no weights, and the last layer is linear in place of radial basis functions.
    """

    class Config(Backbone.Config):
        hidden: int = Field(120, ge=1, le=10_000)
        """Units of the first dense layer."""

    def network(self, channels: int, num_classes: int, image_size: int, amp: bool) -> Network:
        return _LeNet(channels, num_classes, self.cfg.hidden, amp)
