"""Symmetric cross entropy (Wang et al., ICCV 2019)."""

import math

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import one_minus_p, pick


class SCE(Method):
    """Loss: alpha CE + beta RCE, RCE = -A (1 - p_y), where A = log(label_floor) stands for log 0."""

    card = Card(
        title="Symmetric Cross Entropy for Robust Learning with Noisy Labels",
        authors="Yisen Wang, Xingjun Ma, Zaiyi Chen, Yuan Luo, Jinfeng Yi, James Bailey",
        venue="ICCV",
        year=2019,
        arxiv="1908.06112",
        code="https://github.com/YisenWang/symmetric_cross_entropy_for_noisy_labels",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(
            Search("alpha", 0.01, 6.0, log=True),
            Search("beta", 0.1, 3.0, log=True),
        ),
        official=(
            "alpha = 0.1, beta = 1 on CIFAR-10, 6 and 0.1 on CIFAR-100; SGD 0.01, weight decay 1e-4, 120 epochs; "
            "the code clamps the one-hot label at 1e-4 (A = -9.21); the paper discusses A = -4"
        ),
        deviations="p is not clamped at 1e-7",
        proof="golden",
    )

    class Config(Method.Config):
        alpha: float = Field(0.1, ge=0)
        beta: float = Field(1.0, ge=0)
        label_floor: float = Field(1e-4, gt=0, lt=1)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        reverse = -math.log(self.cfg.label_floor) * one_minus_p(log_p, batch.y)
        return (self.cfg.beta * reverse - self.cfg.alpha * pick(log_p, batch.y)).mean()
