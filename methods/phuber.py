"""Partially Huberised cross entropy (Menon et al., ICLR 2020)."""

import math

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import pick, power_loss


class PHuber(Method):
    """Loss: -log p_y where p_y > 1 / tau, and its tangent there below: log tau + 1 - tau p_y.

    q > 0 takes (1 - p_y^q) / q for -log p_y; its slope is -tau at p_y = tau^(1 / (q - 1)).
    """

    card = Card(
        title="Can gradient clipping mitigate label noise?",
        authors="Aditya Krishna Menon, Ankit Singh Rawat, Sashank J. Reddi, Sanjiv Kumar",
        venue="ICLR",
        year=2020,
        page="https://openreview.net/forum?id=rklB76EKPr",
        family="robust loss",
        phases=(Phase("train", epochs=200),),
        search=(Search("tau", 1.2, 50.0, log=True),),
        official="tau = 2 on CIFAR-10, 10 or 50 on CIFAR-100; SGD 0.1, weight decay 5e-4, 200 epochs",
        deviations="none",
        proof="golden",
    )

    class Config(Method.Config):
        tau: float = Field(2.0, gt=1)
        q: float = Field(0.0, ge=0, lt=1)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        tau, q = self.cfg.tau, self.cfg.q
        log_p = pick(logits.log_softmax(1), batch.y)
        log_edge = math.log(tau) / (q - 1)
        edge = math.exp(log_edge)
        at_edge = -math.expm1(q * log_edge) / q if q else -log_edge
        above = power_loss(log_p, q) if q else -log_p
        return torch.where(log_p > log_edge, above, at_edge + tau * (edge - log_p.exp())).mean()
