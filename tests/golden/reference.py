"""What the references compute, with and without their clamps: written from their formulas apart from the methods.

Where a clamp acts, a golden number is that of the clamped formula, and the methods, which work in log space,
give another, exact one: that of the same formula without the clamps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Rows = Callable[..., Tensor]
"""rows(logits [B, K], labels [B], clamps=...) -> values [B]"""

TINY = torch.finfo(torch.float64).tiny


def both_forms(rows: Rows, logits: Tensor, y: Tensor) -> dict[str, dict[str, Any]]:
    """What a result adds where a reference clamps: its numbers as `clamped`, those without its clamps as `exact`."""
    return {
        "clamped": rows_result(partial(rows, clamps=True), logits, y),
        "exact": rows_result(partial(rows, clamps=False), logits, y),
    }


def rows_result(rows: Rows, logits: Tensor, y: Tensor) -> dict[str, Any]:
    """Outputs of a loss given as a function of logits [B, K] and labels [B] to per-sample values [B]."""
    z = logits.detach().clone().requires_grad_()
    values = rows(z, y)
    (grad,) = torch.autograd.grad(values.mean(), z)
    return {
        "loss": values.mean().item(),
        "grad_logits": grad.tolist(),
        "loss_per_sample": values.detach().tolist(),
    }


def clamped(
    rows: Callable[[Tensor, Tensor, Tensor], Tensor], low: float = 1e-7, high: float = 1.0, eps: float = 0.0
) -> Rows:
    """`rows(p, onehot, logits)` with p clamped and `eps` added to it as in the reference, or with neither."""

    def of_logits(logits: Tensor, y: Tensor, clamps: bool) -> Tensor:
        p = logits.softmax(1)
        p = p.clamp(low, high) + eps if clamps else p.clamp(min=TINY)
        return rows(p, F.one_hot(y, logits.shape[1]).to(p.dtype), logits)

    return of_logits


def ref_nfl(logits: Tensor, onehot: Tensor, gamma: float) -> Tensor:
    """Normalized focal loss with a detached factor; NCE at gamma = 0. The references do not clamp it."""
    log_p = logits.log_softmax(1)
    terms = (1 - log_p.detach().exp()) ** gamma * log_p
    return (onehot * terms).sum(1) / terms.sum(1)


def ref_rce(p: Tensor, onehot: Tensor, floor: float = 1e-4) -> Tensor:
    return -(p * onehot.clamp(floor, 1).log()).sum(1)


def ref_ce(logits: Tensor, onehot: Tensor) -> Tensor:
    return -(onehot * logits.log_softmax(1)).sum(1)


def ref_power(p: Tensor, q: float) -> Tensor:
    return (1 - p**q) / q


def ref_anl(config: dict[str, Any]) -> Rows:
    """ANL: the active loss as it is, the negative one with floored p, the entropy with clamped p.

    The floor is part of the loss and stays where the clamps are left out.
    """
    low, gamma = config.get("min_prob", 1e-7), config.get("gamma", 0.0)
    alpha, beta = config.get("alpha", 0.0), config.get("beta", 1.0)
    high = 1 - low if "lamb" in config else 1.0
    worst = -((1 - low) ** gamma) * math.log(low)
    size = config.get("delta", 0.0) * sum(map(abs, config.get("l1_parameters", [])))

    def rows(p: Tensor, onehot: Tensor, logits: Tensor) -> Tensor:
        floored = p.clamp(min=low)
        rest = worst + (1 - floored.detach()) ** gamma * floored.log()
        negative = 1 - (onehot * rest).sum(1) / rest.sum(1)
        mean = p.sum(0) / p.sum()
        balance = math.log(p.shape[1]) + (mean * mean.log()).sum()
        active = ref_nfl(logits, onehot, gamma)
        return alpha * active + beta * negative + size + config.get("lamb", 0.0) * balance

    return clamped(rows, low, high)


def ref_js(weights: list[float], scaled: bool) -> Rows:
    def rows(logits: list[Tensor], y: Tensor, clamps: bool) -> Tensor:
        parts = [F.one_hot(y, logits[0].shape[1]).to(logits[0].dtype), *(z.softmax(1) for z in logits)]
        return ref_js_of(parts, weights, clamps, scaled)

    return rows


def ref_js_of(parts: list[Tensor], weights: list[float], clamps: bool, scaled: bool) -> Tensor:
    """[B] JS divergence of the distributions `parts`, [B, K] each, of which the first is the label."""
    low = 1e-7 if clamps else TINY
    mean = sum(w * part for w, part in zip(weights, parts, strict=True))
    log_mean = torch.as_tensor(mean).clamp(low, 1).log()
    terms = [w * (d * (d.clamp(min=low).log() - log_mean)).sum(1) for w, d in zip(weights, parts, strict=True)]
    scale = -1 / ((1 - weights[0]) * math.log(1 - weights[0])) if scaled else 1.0
    return scale * torch.stack(terms).sum(0)


def ref_js_without_consistency(weights: list[float]) -> Rows:
    """JS of the label and one distribution, the weighted sum of the predictions, as it is: it does not sum to 1."""

    def rows(logits: list[Tensor], y: Tensor, clamps: bool) -> Tensor:
        label, *parts = weights
        summed = torch.stack([w * z.softmax(1) for w, z in zip(parts, logits, strict=True)]).sum(0)
        return ref_js_of([F.one_hot(y, summed.shape[1]).to(summed.dtype), summed], [label, 1 - label], clamps, True)

    return rows


def ref_nce_rce(config: dict[str, Any]) -> Rows:
    """alpha NCE (NFL where the config has a gamma) plus beta RCE of clamped p."""
    alpha, beta, gamma = config["alpha"], config["beta"], config.get("gamma", 0.0)
    return clamped(lambda p, onehot, z: alpha * ref_nfl(z, onehot, gamma) + beta * ref_rce(p, onehot))
