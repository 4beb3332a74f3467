"""Logit clipping (Wei et al., ICML 2023)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Method, Phase, Search


class LogitClip(Method):
    """Loss: cross entropy of clipped logits, z <- tau z / ||z|| where ||z|| > tau. Bounds any loss.

    `rescale` = "inverse" is the official code's form: clipped at tau, but to norm 1 / tau. Prediction uses the
    logits as they are.
    """

    card = Card(
        title="Mitigating Memorization of Noisy Labels by Clipping the Model Prediction",
        authors="Hongxin Wei, Huiping Zhuang, Renchunzi Xie, Lei Feng, Gang Niu, Bo An, Yixuan Li",
        venue="ICML",
        year=2023,
        arxiv="2212.04055",
        code="https://github.com/hongxin001/LogitClip",
        family="robust loss",
        phases=(Phase("train", epochs=200, steps=78_000),),
        search=(Search("tau", 0.5, 6.0, log=True),),
        official="`--temp 1.5`, L2 norm on CIFAR-10, SGD 0.1, weight decay 5e-4, 200 epochs",
        deviations='clips to norm tau, as the paper does (the code to 1 / tau: `rescale = "inverse"`)',
        proof="golden",
    )

    class Config(Method.Config):
        tau: float = Field(1.5, gt=0)
        norm: float = Field(2.0, ge=1, description="order of the norm")
        rescale: Literal["tau", "inverse"] = "tau"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        # The clamp is also what keeps the gradient of the norm finite at z = 0.
        norm = torch.linalg.vector_norm(logits, self.cfg.norm, dim=1, keepdim=True).clamp(min=self.cfg.tau)
        if self.cfg.rescale == "tau":
            return F.cross_entropy(logits * (self.cfg.tau / norm), batch.y)
        clipped = torch.where(norm > self.cfg.tau, logits / (norm * self.cfg.tau), logits)
        return F.cross_entropy(clipped, batch.y)
