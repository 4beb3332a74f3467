"""Divergences between the predictions of two networks, in log space: finite at any logits."""

import math

import torch
from torch import Tensor


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) per row, of log-probabilities [B, K]: [B]."""
    return (log_p.exp() * (log_p - log_q)).sum(1)


def log_mean(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Logarithm of (p + q) / 2, [B, K]."""
    return torch.logaddexp(log_p, log_q) - math.log(2)


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Jensen-Shannon divergence per row, between 0 and log 2: [B]."""
    middle = log_mean(log_p, log_q)
    return (kl(log_p, middle) + kl(log_q, middle)) / 2
