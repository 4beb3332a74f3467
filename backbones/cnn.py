"""A small convolutional network that trains in seconds on one CPU core at 8 to 28 pixels."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.base import HALF, Backbone, Network

WIDTHS = (16, 32, 64)
SIDE = 4
"""Larger last maps are averaged down to this side, so that the features do not grow with the image."""
FEATURES = 256


class _SmallNetwork(Network):
    def __init__(self, channels: int, num_classes: int, image_size: int, amp: bool) -> None:
        super().__init__(channels, HALF, HALF, amp)
        layers: list[nn.Module] = []
        inputs, side = channels, image_size
        for width in WIDTHS:
            convolution = nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)
            layers.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)))
            inputs, side = width, (side + 1) // 2
        self.blocks = nn.ModuleList(layers)
        self.pool = nn.AdaptiveAvgPool2d(SIDE) if side > SIDE else nn.Identity()
        # A wide dense layer on the flattened map, not global average pooling, so that it can memorize single images.
        flat = WIDTHS[-1] * min(side, SIDE) ** 2
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(flat, FEATURES, bias=False), nn.BatchNorm1d(FEATURES), nn.ReLU(inplace=True)
        )
        self.classifier = nn.Linear(FEATURES, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.dense(self.pool(x))

    def classify(self, z: Tensor) -> Tensor:
        return self.classifier(z)

    def stages(self) -> list[nn.Module]:
        return [*self.blocks, self.dense, self.classifier]


class SmallCNN(Backbone):
    """Three 3x3 convolutions (16, 32, 64 channels) with batch norm, a dense layer of 256 features."""

    def network(self, channels: int, num_classes: int, image_size: int, amp: bool) -> Network:
        return _SmallNetwork(channels, num_classes, image_size, amp)
