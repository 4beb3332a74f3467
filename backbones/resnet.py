"""Residual networks of torchvision (He et al., CVPR 2016), with a stem for small images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlparse

import torch
import torchvision
from pydantic import Field
from torch import Tensor, nn

from backbones._weights import Weights, input_channels, load_weights, read_weights
from backbones.base import HALF, Backbone, BackboneError, Freezable, Network

SMALL_IMAGE = 64
"""Up to this side the stem that `auto` picks keeps the resolution."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _ResNetwork(Network):
    def __init__(
        self, net: torchvision.models.ResNet, channels: int, amp: bool, pretrained: bool, input_size: int | None
    ) -> None:
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if pretrained else (HALF, HALF)
        super().__init__(channels, mean, std, amp, input_size)
        self.net = net

    def embed(self, x: Tensor) -> Tensor:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return net.avgpool(x).flatten(1)

    def classify(self, z: Tensor) -> Tensor:
        return self.net.fc(z)

    def stages(self) -> list[nn.Module]:
        net = self.net
        stem = nn.ModuleList([net.conv1, net.bn1])
        return [stem, net.layer1, net.layer2, net.layer3, net.layer4, net.fc]


class _ResNet(Backbone):
    torchvision_name: ClassVar[str]

    class Config(Backbone.Config):
        later: ClassVar[tuple[str, ...]] = (*Freezable.later, "input_size")
        weights: Weights = None
        """ "imagenet", a file of torchvision's layout (normalized with ImageNet's mean and deviation), or null."""
        stem: Literal["auto", "imagenet", "small"] = "auto"
        """ "imagenet": 7x7 of stride 2 and max-pool; "small": 3x3 without max-pool, as for CIFAR;
        "auto": small up to 64 pixels, unless pretrained."""
        input_size: int | None = Field(default=None, ge=8, le=1024)
        """Images are resized to this side inside the network (bilinear, antialiased); null: as they are."""

    def network(self, channels: int, num_classes: int, image_size: int, amp: bool) -> Network:
        weights = self.cfg.weights
        state = None if weights is None else self._state(weights)
        inputs = input_channels(weights, state, "conv1", channels)
        net = getattr(torchvision.models, self.torchvision_name)(weights=None, num_classes=num_classes)
        side = self.cfg.input_size or image_size
        small = self.cfg.stem == "small" or (self.cfg.stem == "auto" and weights is None and side <= SMALL_IMAGE)
        if small:
            net.maxpool = nn.Identity()
        if small or inputs != 3:
            kernel, stride = (3, 1) if small else (7, 2)
            net.conv1 = nn.Conv2d(inputs, 64, kernel, stride, padding=kernel // 2, bias=False)
            nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        if state is not None:
            load_weights(net, state, "fc", f"the weights {weights}")
        return _ResNetwork(net, inputs, amp, state is not None, self.cfg.input_size)

    def _state(self, weights: Path | str) -> dict[str, Tensor]:
        if isinstance(weights, Path):
            return read_weights(weights)
        published = torchvision.models.get_model_weights(self.torchvision_name)["IMAGENET1K_V1"]
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(published.url).path).name
        try:
            return published.get_state_dict(progress=False, check_hash=True)
        except Exception as error:  # no network, a proxy's page, a full disk, a damaged file
            raise BackboneError(
                f"the ImageNet weights of {self.torchvision_name} could not be loaded "
                f"({type(error).__name__}: {error}); "
                f"download {published.url} and put it at {file}, or pass weights = FILE"
            ) from error


class ResNet18(_ResNet):
    """torchvision's ResNet-18: 11 M parameters, 512 features."""

    names = ("resnet18",)
    torchvision_name = "resnet18"


class ResNet34(_ResNet):
    """torchvision's ResNet-34: 21 M parameters, 512 features."""

    names = ("resnet34",)
    torchvision_name = "resnet34"


class ResNet50(_ResNet):
    """torchvision's ResNet-50: 24 M parameters, 2,048 features."""

    names = ("resnet50",)
    torchvision_name = "resnet50"
