"""Losses that several methods share. All are per sample and work on log-probabilities `log_p` [B, K].

Log space keeps values and gradients finite where a softmax has underflown to 0 or saturated at 1, so a sure
mistake still has a gradient. Labels `y` are [B] int64; every function keeps the dtype of `log_p`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pick(values: Tensor, y: Tensor) -> Tensor:
    """[B] entries values[i, y_i] of `values` [B, K]."""
    return values.gather(1, y[:, None]).squeeze(1)


def one_minus_p(log_p: Tensor, y: Tensor) -> Tensor:
    """[B] 1 - p_y: half of the mean absolute error between p and the one-hot label."""
    return 1 - pick(log_p, y).exp()


def power_loss(log_p: Tensor, q: float) -> Tensor:
    """(1 - p^q) / q entry by entry: the generalized cross entropy of each class.

    Not by expm1, whose derivative is taken as result + 1 and so vanishes where p^q is below rounding.
    """
    return (1 - (q * log_p).exp()) / q


def log_complement(log_p: Tensor) -> Tensor:
    """log(1 - p) [B, K] without cancellation: the largest class sums the others instead of subtracting."""
    top = log_p.argmax(1, keepdim=True)
    others = log_p.scatter(1, top, -torch.inf).logsumexp(1, keepdim=True)
    return torch.log1p(-log_p.exp().scatter(1, top, 0.0)).scatter(1, top, others)


def focal_terms(log_p: Tensor, gamma: float, detach: bool = False) -> Tensor:
    """-(1 - p)^gamma log p [B, K]; `detach` takes no gradient through the factor (1 - p)^gamma."""
    if gamma == 0:
        return -log_p
    factor = (gamma * log_complement(log_p)).exp()
    return -(factor.detach() if detach else factor) * log_p


def normalized(terms: Tensor, y: Tensor) -> Tensor:
    """[B] loss of the label over the sum of the losses of all classes, for `terms` [B, K] >= 0."""
    return pick(terms, y) / terms.sum(1)


def nce(log_p: Tensor, y: Tensor) -> Tensor:
    """[B] normalized cross entropy: log p_y / sum_k log p_k."""
    return normalized(-log_p, y)


def label_and_uniform(log_p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """[B] cross entropy with the label and with the uniform distribution: -log p_y, mean_k(-log p_k)."""
    return -pick(log_p, y), -log_p.mean(1)


def jensen_shannon(log_ps: Tensor, y: Tensor, weights: tuple[float, ...], *, scaled: bool = True) -> Tensor:
    """[B] Jensen-Shannon divergence of the one-hot label and M predictions `log_ps` [M, B, K].

    `weights`: that of the label, then those of the predictions; they sum to 1. `scaled` multiplies by
    Z = -1 / ((1 - w_0) log(1 - w_0)), which makes the loss cross entropy as w_0 -> 0.
    """
    label, *views = weights
    log_mean = torch.stack([log_p + math.log(w) for log_p, w in zip(log_ps, views, strict=True)]).logsumexp(0)
    at_label = (log_mean.gather(1, y[:, None]).exp() + label).log()
    log_mean = log_mean.scatter(1, y[:, None], at_label)
    terms = [w * (log_p.exp() * (log_p - log_mean)).sum(1) for log_p, w in zip(log_ps, views, strict=True)]
    divergence = sum(terms, -label * at_label.squeeze(1))
    return divergence * (-1 / ((1 - label) * math.log1p(-label))) if scaled else divergence


def stable_nll(logits: Tensor, eps: float) -> Tensor:
    """-log(p + eps) [B, K]. Where a loss is unbounded below, `eps` bounds it and is part of the method."""
    return -(logits.softmax(1) + eps).log()


def tempered_log(x: Tensor, t: float) -> Tensor:
    """(x^(1 - t) - 1) / (1 - t), which is log x as t -> 1."""
    return (x ** (1 - t) - 1) / (1 - t)


def tempered_exp(x: Tensor, t: float) -> Tensor:
    """The inverse of `tempered_log`: [1 + (1 - t) x]_+^(1 / (1 - t))."""
    return (1 + (1 - t) * x).relu() ** (1 / (1 - t))


def tempered_softmax(z: Tensor, t: float, iterations: int) -> Tensor:
    """[B, K] heavy-tailed probabilities exp_t(z - c(z)) of `z` [B, K], for t > 1.

    c(z), which makes rows sum to 1, is a fixed point: after 20 steps they do within 1e-7 for t in [1.05, 10]
    and |z| <= 40, after 5 within 3e-2.
    """
    with torch.no_grad():
        top = z.amax(1, keepdim=True)
        shifted = z - top
        scaled = shifted
        for _ in range(iterations):
            scaled = shifted * tempered_exp(scaled, t).sum(1, keepdim=True) ** (1 - t)
        total = tempered_exp(scaled, t).sum(1, keepdim=True)
        constant = -tempered_log(1 / total, t) + top
        escort = tempered_exp(z - constant, t) ** t
        escort = escort / escort.sum(1, keepdim=True)
    # The derivative of the constant is the escort distribution (implicit function), not that of the loop.
    return tempered_exp(z - (constant + (escort * (z - z.detach())).sum(1, keepdim=True)), t)
