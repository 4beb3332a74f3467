"""Reverse cross entropy (Wang et al., ICCV 2019)."""

import math

from torch import Tensor

from methods import Batch, Card, Field, Method
from methods._losses import one_minus_p


class RCE(Method):
    """Loss: -sum_k p_k log [k = y] = -A (1 - p_y), where A = log(label_floor) stands for log 0.

    `scale` multiplies: 1 / (|A| (K - 1)) is the normalized form.
    """

    card = Card(
        title="Symmetric Cross Entropy for Robust Learning with Noisy Labels",
        authors="Yisen Wang, Xingjun Ma, Zaiyi Chen, Yuan Luo, Jinfeng Yi, James Bailey",
        venue="ICCV",
        year=2019,
        arxiv="1908.06112",
        code="https://github.com/YisenWang/symmetric_cross_entropy_for_noisy_labels",
        family="robust loss",
        official=(
            "the one-hot label clamped at 1e-4, so A = -9.21; the paper discusses A = -4, which is label_floor = 0.0183"
        ),
        deviations="p is not clamped at 1e-7",
        proof="golden",
    )

    class Config(Method.Config):
        label_floor: float = Field(1e-4, gt=0, lt=1)
        scale: float = Field(1.0, gt=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        weight = -math.log(self.cfg.label_floor) * self.cfg.scale
        return weight * one_minus_p(logits.log_softmax(1), batch.y).mean()
