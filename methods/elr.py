"""Early-learning regularization (Liu et al., NeurIPS 2020)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Memory, Method, Phase, Search


class ELR(Method):
    """Loss: CE + lambda * mean log(1 - <t_i, p_i>), with t_i the moving average of the predictions for i.

    t_i <- beta t_i + (1 - beta) p_i / sum(p_i), p_i clamped to [1e-4, 1 - 1e-4]; t_i starts at 0 and is
    updated before the loss is taken. The inner product uses the clamped p_i, not renormalized.
    """

    version = 2
    card = Card(
        title="Early-Learning Regularization Prevents Memorization of Noisy Labels",
        authors="Sheng Liu, Jonathan Niles-Weed, Narges Razavian, Carlos Fernandez-Granda",
        venue="NeurIPS",
        year=2020,
        arxiv="2007.00151",
        code="https://github.com/shengliu66/ELR",
        family="regularization",
        phases=(Phase("train", epochs=120, steps=42_240),),
        memories=(Memory("beta", decay=0.7, per="epoch"),),
        search=(
            Search("lam", 0.5, 12.0, log=True),
            Search("beta", 0.3, 0.95),
        ),
        official=(
            "beta = 0.7, lambda = 3 on CIFAR-10 (SGD 0.02, weight decay 1e-3, batch 128); beta = 0.9, lambda = 7 "
            "on CIFAR-100"
        ),
        state="[N, K] targets",
        deviations="none",
        proof="golden",
        reproduction="paired: 1e-3 over 20 epochs; run: +.005 ± .007 (version 2)",
    )

    target: Tensor

    class Config(Method.Config):
        beta: float | None = Field(None, ge=0, lt=1, description="null: by the schedule rule")
        lam: float = Field(3.0, ge=0)

    def build(self) -> None:
        super().build()
        shape = (self.kit.num_samples, self.kit.num_classes)
        self.beta = self.schedule.decay("beta", self.cfg.beta)
        self.register_buffer("target", torch.zeros(shape, device=self.kit.device))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        p = logits.softmax(1).clamp(1e-4, 1 - 1e-4)
        with torch.no_grad():
            now = p / p.sum(1, keepdim=True)
            target = torch.lerp(now, self.target[batch.index].to(now.dtype), self.beta)
            self.target[batch.index] = target.to(self.target.dtype)
        regularizer = torch.log(1 - (target * p).sum(1)).mean()
        return F.cross_entropy(logits, batch.y) + self.cfg.lam * regularizer
