"""Active passive loss NCE + RCE (Ma et al., ICML 2020)."""

import math

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import focal_terms, normalized, one_minus_p


class NCERCE(Method):
    """Loss: alpha NCE + beta RCE, NCE = log p_y / sum_k log p_k, RCE = -A (1 - p_y), A = log 1e-4 = -9.21.

    gamma > 0 puts the normalized focal loss in NCE's place (NFL + RCE), whose factor the official code detaches
    (`detach_factor`).
    """

    card = Card(
        title="Normalized Loss Functions for Deep Learning with Noisy Labels",
        authors="Xingjun Ma, Hanxun Huang, Yisen Wang, Simone Romano, Sarah Erfani, James Bailey",
        venue="ICML",
        year=2020,
        arxiv="2006.13554",
        code="https://github.com/HanxunH/Active-Passive-Losses",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(
            Search("alpha", 0.2, 10.0, log=True),
            Search("beta", 0.05, 10.0, log=True),
        ),
        official=(
            "alpha = beta = 1 on CIFAR-10, 10 and 0.1 on CIFAR-100; SGD 0.01, weight decay 1e-4, 120 epochs, "
            "cosine, gradients clipped at 5; NFL + RCE: gamma = 0.5"
        ),
        deviations="p is not clamped at 1e-7; gradients are clipped where the suite does so",
        proof="golden",
    )

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0)
        beta: float = Field(1.0, ge=0)
        label_floor: float = Field(1e-4, gt=0, lt=1)
        gamma: float = Field(0.0, ge=0)
        detach_factor: bool = False

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        active = normalized(focal_terms(log_p, self.cfg.gamma, self.cfg.detach_factor), batch.y)
        passive = -math.log(self.cfg.label_floor) * one_minus_p(log_p, batch.y)
        return (self.cfg.alpha * active + self.cfg.beta * passive).mean()
