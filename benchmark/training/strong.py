"""Strong augmentation after RandAugment (Cubuk et al., NeurIPS 2020): two random operations for every image.

As in its later uses, the magnitudes are random too. `equalize` is left out. All operations are computed for the
whole batch and chosen by `where`, so that no step waits for the device; the geometric ones of both draws are one
resampling, before those on brightness and color.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate",
    "brightness", "color", "contrast", "sharpness", "posterize", "solarize", "autocontrast",
)  # fmt: skip
DRAWS = 6
"""Random numbers per image: operation, magnitude and sign, twice."""
SHEAR, TRANSLATE, DEGREES, ENHANCE, BITS = 0.3, 0.3, 30.0, 0.9, 4
"""Largest magnitudes: shear, share of the side, angle, change of a factor of 1, bits that are lost of 8."""
ENHANCING = ("brightness", "color", "contrast", "sharpness")
LUMA = (0.299, 0.587, 0.114)


def strong(x: Tensor, draws: Tensor) -> Tensor:
    """Changed copies of `x` [B, C, H, W] in [0, 1], in the same range; `draws` [DRAWS, B] are uniform in [0, 1)."""
    rounds = []
    for draw, magnitude, sign in draws.view(2, 3, -1):
        chosen = (draw * len(OPERATIONS)).long()
        rounds.append(({name: chosen == i for i, name in enumerate(OPERATIONS)}, magnitude, (sign < 0.5) * 2.0 - 1.0))
    x = _moved(x, rounds).contiguous()
    for chosen, magnitude, sign in rounds:
        x = _recolored(x, chosen, magnitude, sign)
    return x


Round = tuple[dict[str, Tensor], Tensor, Tensor]
"""[B] whether each operation was chosen, its magnitude in [0, 1), and its sign."""


def _moved(x: Tensor, rounds: list[Round]) -> Tensor:
    """The geometric operations of all rounds, bilinear about the center; what comes in is black."""
    height, width = x.shape[2:]
    matrix = torch.eye(3, device=x.device).expand(len(x), 3, 3)
    moved = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for chosen, magnitude, sign in rounds:
        amount = {name: magnitude * sign * mask for name, mask in chosen.items()}
        angle = amount["rotate"] * math.radians(DEGREES)
        cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
        # In px, from an output place to its source. At most one of the operations is not the identity.
        step = torch.stack(
            [
                torch.stack([cos, amount["shear_x"] * SHEAR - sin, amount["translate_x"] * TRANSLATE * width], 1),
                torch.stack([amount["shear_y"] * SHEAR + sin, cos, amount["translate_y"] * TRANSLATE * height], 1),
                torch.stack([zero, zero, one], 1),
            ],
            1,
        )
        matrix = matrix @ step
        for name in ("shear_x", "shear_y", "translate_x", "translate_y", "rotate"):
            moved = moved | chosen[name]
    # The sides of the image are at -1 and 1 for `affine_grid`.
    scale = torch.tensor([width / 2, height / 2, 1.0], device=x.device)
    theta = (matrix * scale / scale[:, None])[:, :2]
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    turned = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return torch.where(_wide(moved), turned, x)


def _recolored(x: Tensor, chosen: dict[str, Tensor], magnitude: Tensor, sign: Tensor) -> Tensor:
    weight = {name: _wide(mask.float()) for name, mask in chosen.items()}
    gray = torch.einsum("bchw,c->bhw", x, x.new_tensor(LUMA))[:, None] if x.shape[1] == 3 else x
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    # Four operations move between the image and one that lacks something, "autocontrast" away from its darkest value.
    factor = 1 + _wide(ENHANCE * magnitude * sign) * sum(weight[name] for name in ENHANCING)
    gain = torch.where((weight["autocontrast"] > 0) & (high > low), 1 / (high - low).clamp_min(1e-6), factor)
    offset = (1 - gain) * weight["contrast"] * gray.mean((1, 2, 3), keepdim=True)
    offset = offset - torch.where(weight["autocontrast"] > 0, gain * low, 0) * (high > low)
    result = x * gain + offset
    result += (1 - factor) * weight["color"] * gray
    result += (1 - factor) * weight["sharpness"] * _blurred(x)
    result.clamp_(0, 1)
    # "posterize" rounds down to multiples of a step, "solarize" turns the brightest values dark.
    step = torch.where(weight["posterize"] > 0, _wide(2.0 ** (magnitude * BITS).ceil() / 255), 1.0)
    threshold = torch.where(weight["solarize"] > 0, _wide(1 - magnitude), 2.0)
    result -= (result + 1e-4 * step).remainder_(step) * weight["posterize"]
    return torch.where(result >= threshold, 1 - result, result).clamp_(0, 1)


def _blurred(x: Tensor) -> Tensor:
    """Means over 3x3 px with weight 5 at the center; the border as it is."""
    height, width = x.shape[2:]
    if min(height, width) < 3:
        return x
    rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    inner = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]  # half the time of pooling
    inner = inner.add_(x[:, :, 1:-1, 1:-1], alpha=4).div_(13)
    blurred = x.clone()
    blurred[:, :, 1:-1, 1:-1] = inner
    return blurred


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
