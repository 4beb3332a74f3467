"""Floating-point operations of a network's forward pass: all of them, and the useful ones.

Products with zeros from padding are not useful, as an exact convolution need not compute them. A
multiplication and its addition are two operations. Only convolutions and linear layers count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TRAINING = 3
"""Operations of a training step over those of its forward pass: for each product, the backward pass has one for
the input's gradient and one for the weight's."""


@dataclass(frozen=True)
class Operations:
    """Per image."""

    useful: float
    usual: float


def count(network: nn.Module, channels: int, side: int) -> Operations:
    """Operations of one forward pass of `network` on an image [channels, side, side]."""
    useful, usual = 0.0, 0.0

    def see(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal useful, usual
        if isinstance(layer, nn.Conv2d):
            taps, valid = 1, 1
            for axis in range(2):
                places, size = output.shape[2 + axis], inputs[0].shape[2 + axis]
                taps *= places * layer.kernel_size[axis]
                valid *= _taps_inside(layer, axis, places, size)
            products = layer.out_channels * layer.in_channels // layer.groups
            useful += 2 * products * valid
            usual += 2 * products * taps
        elif isinstance(layer, nn.Linear):
            useful += 2 * layer.in_features * layer.out_features
            usual += 2 * layer.in_features * layer.out_features

    hooks = [layer.register_forward_hook(see) for layer in network.modules()]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, channels, side, side))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return Operations(useful, usual)


def _taps_inside(layer: nn.Conv2d, axis: int, places: int, size: int) -> int:
    """Along one axis: (output place, kernel tap) pairs whose input lies inside the map."""
    padding = layer.padding[axis]
    if isinstance(padding, str):
        raise ValueError(f"convolution with padding {padding!r}; expected a number of pixels")
    starts = [place * layer.stride[axis] - padding for place in range(places)]
    taps = [tap * layer.dilation[axis] for tap in range(layer.kernel_size[axis])]
    return sum(0 <= start + tap < size for start in starts for tap in taps)
