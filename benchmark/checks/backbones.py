"""Checks of what every backbone promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from backbones.base import Network
from benchmark.checks.runner import CheckFailed
from benchmark.registry import BACKBONES

SIZES = (28, 32, 64)
NUM_CLASSES = 5


def make(backbone: str, options: dict[str, Any], channels: int = 3, size: int = 32) -> Network:
    torch.manual_seed(0)
    plugin = BACKBONES.load(backbone)
    builder = plugin(plugin.Config.model_validate(options), backbone.partition("/")[2])
    return builder.build(channels, NUM_CLASSES, size, amp=False, small_maps=True)


def takes_grey_and_color(backbone: str, options: dict[str, Any]) -> None:
    """Gives [B, K] finite float32 logits for 1 and 3 channels at 28, 32 and 64 px."""
    for channels in (1, 3):
        for size in SIZES:
            network = make(backbone, options, channels, size)
            logits = network(torch.rand(3, channels, size, size))
            if logits.shape != (3, NUM_CLASSES) or logits.dtype != torch.float32:
                raise CheckFailed(f"{channels} channels, {size} px: logits {tuple(logits.shape)} {logits.dtype}")
            if not logits.isfinite().all():
                raise CheckFailed(f"{channels} channels, {size} px: logits are not finite")


def gradients_reach_everything(backbone: str, options: dict[str, Any]) -> None:
    """A gradient reaches every trainable parameter."""
    network = make(backbone, options)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.fill_(1)  # behind weights that start at zero, gradients arrive only after a step
    F.cross_entropy(network(torch.rand(8, 3, 32, 32)), torch.arange(8) % NUM_CLASSES).backward()
    unreached = [n for n, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    if unreached:
        raise CheckFailed(f"no gradient reaches {', '.join(unreached[:4])}")


def is_features_then_head(backbone: str, options: dict[str, Any]) -> None:
    """`forward` is `head(features(x))`, and `stages` ends with the head and holds every parameter."""
    network = make(backbone, options).eval()
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        if not torch.equal(network(x), network.head(network.features(x))):
            raise CheckFailed("forward(x) differs from head(features(x))")
    staged = {id(p) for stage in network.stages() for p in stage.parameters()}
    missing = [name for name, p in network.named_parameters() if id(p) not in staged]
    if missing:
        raise CheckFailed(f"stages() leaves out {', '.join(missing[:4])}")


def follows_torchs_seed(backbone: str, options: dict[str, Any]) -> None:
    """Equal seeds of torch's generator give equal weights."""
    one, same = make(backbone, options).state_dict(), make(backbone, options).state_dict()
    if any(not torch.equal(value, same[name]) for name, value in one.items()):
        raise CheckFailed("two networks of one seed differ: draw the weights from torch's generator")


CHECKS: dict[str, Callable[..., None]] = {
    check.__name__: check
    for check in (
        takes_grey_and_color,
        gradients_reach_everything,
        is_features_then_head,
        follows_torchs_seed,
    )
}
