"""Per-sample augmentation of a whole batch on the device, keyed by (seed, epoch, index, view).

The random numbers are a hash of the key, not a stream: they do not depend on which batch a sample falls
into, on the device, or on what was drawn before, so that resuming needs no generator state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.grid.spec import Augment
from benchmark.seeds import seed_for
from benchmark.training.strong import DRAWS, strong

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64, the increment of SplitMix64
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # logical, where torch's shift is arithmetic


def _mix(x: Tensor) -> Tensor:
    """The output function of SplitMix64 (Steele et al., OOPSLA 2014) on int64, wrapping around."""
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    return x ^ _shift(x, 31)


def uniforms(index: Tensor, key: int, draws: int) -> Tensor:
    """[draws, B] float32 in [0, 1), a function of (`key`, `index`) only."""
    base = _mix(index * _GOLDEN + key)
    offsets = torch.arange(1, draws + 1, device=index.device, dtype=torch.int64)[:, None] * _GOLDEN
    return _shift(_mix(base[None, :] + offsets), 40).float() * 2.0**-24


def augment(x: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
    """Copies of `x` [B, C, H, W] in [0, 1], in that range: shifted, then flipped and rotated, then strongly changed.

    What comes in from outside is black. Each sample has its own draws.
    """
    if policy.crop:
        x = _shifted(x, *uniforms(index, seed_for("augment-crop", seed, epoch, view), 2))
    x = _turned(x, index, policy, seed, epoch, view)
    if policy.strong:
        x = strong(x, uniforms(index, seed_for("augment-strong", seed, epoch, view), DRAWS))
    return x


def _shifted(x: Tensor, down_draw: Tensor, right_draw: Tensor) -> Tensor:
    """`x` moved by whole pixels, by up to an eighth of its sides, at least one."""
    batch, channels, height, width = x.shape
    reach_y, reach_x = max(1, round(height / 8)), max(1, round(width / 8))
    down, right = (down_draw * (2 * reach_y + 1)).long(), (right_draw * (2 * reach_x + 1)).long()
    rows = torch.arange(height, device=x.device) + down[:, None]
    columns = torch.arange(width, device=x.device) + right[:, None]
    padded = F.pad(x, (reach_x, reach_x, reach_y, reach_y))
    first = torch.arange(batch, device=x.device)[:, None, None, None]
    second = torch.arange(channels, device=x.device)[None, :, None, None]
    return padded[first, second, rows[:, None, :, None], columns[:, None, None, :]]


def _turned(x: Tensor, index: Tensor, policy: Augment, seed: int, epoch: int, view: int) -> Tensor:
    """Flipped and rotated; a positive angle turns counter-clockwise, bilinear, about the center."""
    if not policy.flip and not policy.rotate:
        return x
    flip_draw, angle_draw = uniforms(index, seed_for("augment", seed, epoch, view), 2)
    flip = (flip_draw < 0.5) & policy.flip
    if not policy.rotate:
        return torch.where(flip[:, None, None, None], x.flip(3), x)
    angle = (angle_draw * 2 - 1) * math.radians(policy.rotate)
    height, width = x.shape[2:]
    sign = 1.0 - 2.0 * flip.float()
    cos, sin = angle.cos(), angle.sin()
    zero = torch.zeros_like(cos)
    # Rows map an output place to its source: rotate in pixel units, then mirror the source's x axis.
    theta = torch.stack(
        [
            torch.stack([sign * cos, -sign * sin * (height / width), zero], 1),
            torch.stack([sin * (width / height), cos, zero], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
