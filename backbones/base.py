"""What a backbone is: a network split into features and head that takes images in [0, 1] as they are.

A backbone is one class in `backbones/`. Its network normalizes its own input, so that no preprocessing can
be forgotten or done twice, and its tensors are channels-last in memory, which is the fastest on every device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from backbones._fast.products import Linear as Linear  # the bench measures it too
from backbones._fast.small_maps import use_small_maps
from backbones._fast.switch import fast_path_is_on as fast_path_is_on  # the engine's own fast paths ask it too
from backbones._fast.switch import paths_on as paths_on
from backbones.settings import Settings as Settings

HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation of networks without pretrained weights: [0, 1] becomes [-1, 1]."""
HIDDEN = 512
"""Units of the hidden layer of the head "mlp"."""


class BackboneError(ValueError):
    """A backbone that cannot be built as asked: what was wrong, what was expected, what to type."""

    exit_code = 2


class Network(nn.Module, ABC):
    """Images [B, C, H, W] in [0, 1] to logits [B, K]: `head(features(x))`.

    A family implements `embed`, `classify` and `stages`. With `amp`, both halves run in bfloat16 autocast on
    CUDA. Features and logits are float32 then, and float64 in a network of doubles.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, channels: int, mean: Sequence[float], std: Sequence[float], amp: bool, input_size: int | None = None
    ) -> None:
        """`mean` and `std` per channel of the network's own input, which has `channels` channels (1 or 3).

        `input_size`: images are resized to so many pixels a side (bilinear, antialiased); None: as they are.
        Mean and deviation are non-persistent buffers: a state dict holds what training may change and nothing else.
        """
        super().__init__()
        self.channels = channels
        self.amp = amp
        self.input_size = input_size
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
        """Normalized images of the network's size; a gray one gets three equal channels where colors are expected."""
        if self.input_size is not None and x.shape[-2:] != (self.input_size, self.input_size):
            size = (self.input_size, self.input_size)
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
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
        return torch.autocast("cuda", torch.bfloat16) if self.amp and x.is_cuda else nullcontext()


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


class FeatureHead(Network):
    """The trained head on a frozen network: features [B, D] to logits, linear or with one hidden layer."""

    def __init__(self, width: int, num_classes: int, hidden: int | None, amp: bool) -> None:
        """`width` is D; `hidden` units with ReLU come between, where it is not None."""
        super().__init__(3, HALF, HALF, amp)
        self.hidden = None if hidden is None else nn.Sequential(Linear(width, hidden), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(width if hidden is None else hidden, num_classes)

    def prepare(self, x: Tensor) -> Tensor:
        return x

    def embed(self, x: Tensor) -> Tensor:
        return x if self.hidden is None else self.hidden(x)

    def classify(self, z: Tensor) -> Tensor:
        return self.classifier(z)

    def stages(self) -> list[nn.Module]:
        return [self.classifier] if self.hidden is None else [self.hidden, self.classifier]


class Freezable(Settings):
    """Options of every family: freeze the network, and train only a head on its features."""

    later: ClassVar[tuple[str, ...]] = ("frozen", "head", "views")
    """Options that were added later. They are left out of a run's identity at their defaults, so that the ids of
    earlier runs stay the same."""

    frozen: bool = False
    """The network is never trained: its features are computed once, and a head on them is trained."""
    head: Literal["linear", "mlp"] = "linear"
    """Of a frozen network: one linear layer, or a hidden layer of 512 with ReLU before it."""
    views: int = Field(default=1, ge=1, le=16)
    """Of a frozen network: 1 trains on the images as they are, K > 1 on K stored augmentations of each."""

    @property
    def augmented(self) -> bool:
        """Whether training sees augmented images."""
        return not self.frozen or self.views > 1

    @model_validator(mode="after")
    def _belongs_to_frozen(self) -> Self:
        if not self.frozen and (self.head != "linear" or self.views != 1):
            raise ValueError("head and views are options of a frozen backbone; add frozen = true, or leave them out")
        return self

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        written = dump(self)
        for name in self.later:
            if getattr(self, name) == fields[name].default:
                written.pop(name, None)
        return written


class Backbone(ABC):
    """A family of networks, configured; `argument` is what follows the slash in a name ("timm/resnet18")."""

    version: ClassVar[int] = 1
    """Bump when the numbers change."""

    class Config(Freezable):
        """Only the options that every family has. A family with more derives from `Backbone.Config`."""

    cfg: Any

    def __init__(self, cfg: Settings, argument: str = "") -> None:
        self.cfg = cfg
        self.argument = argument

    @classmethod
    def settled(cls, cfg: Any, argument: str) -> Any:
        """`cfg` with a name that this machine resolves to a file replaced by that file's path.

        A run is then known by the content of the file, not by a name that means other weights elsewhere.
        """
        return cfg

    @property
    def frozen(self) -> bool:
        return isinstance(self.cfg, Freezable) and self.cfg.frozen

    @property
    def pretrained(self) -> bool:
        """Whether its networks start from weights that were trained before: an option `weights` that names some."""
        return getattr(self.cfg, "weights", None) is not None

    def build_head(self, width: int, num_classes: int, amp: bool) -> Network:
        """A fresh head of a frozen network, for features [B, `width`]; it is all that a method trains."""
        return FeatureHead(width, num_classes, HIDDEN if self.cfg.head == "mlp" else None, amp)

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
