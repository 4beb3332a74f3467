"""Mixup (Zhang et al., ICLR 2018): convex combinations of samples and of their targets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Beta
from torch.nn import functional as F


def one_hot(y: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """[B, K] indicator rows of the labels `y` [B]."""
    return F.one_hot(y, num_classes).to(dtype)


def beta_weight(alpha: float) -> Tensor:
    """One draw of Beta(alpha, alpha), 0-dim. It stays on the CPU, where it scales tensors of any device
    without a wait; float64, which as a 0-dim tensor leaves the dtype of its partner as it is."""
    both = torch.tensor(alpha, dtype=torch.float64)
    return Beta(both, both, validate_args=False).sample()


def mixup(x: Tensor, targets: Tensor, alpha: float, *, dominant: bool = False) -> tuple[Tensor, Tensor]:
    """Mixes every row with a random partner of the same batch, with one weight for the whole batch.

    x: [B, ...] images or features. targets: [B, K] distributions. alpha > 0: both parameters of the Beta
    distribution of the weight. `dominant` takes max(w, 1 - w), so that a row stays the larger part of its
    mixture (MixMatch). Returns the mixed x and targets, of the shapes and dtypes of the inputs.
    """
    weight = beta_weight(alpha)
    if dominant:
        weight = torch.maximum(weight, 1 - weight)
    partner = torch.randperm(len(x), device=x.device)
    return mix(x, x[partner], weight), mix(targets, targets[partner], weight)


def mix(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """weight * first + (1 - weight) * second."""
    return weight * first + (1 - weight) * second


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the batch of -sum_k targets_k log p_k, for `logits` and `targets` [B, K]."""
    return F.cross_entropy(logits, targets.to(logits.dtype))
