"""Taylor cross entropy (Feng et al., IJCAI 2020)."""

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Search
from methods._losses import one_minus_p


class TaylorCE(Method):
    """Loss: sum_{i=1..order} (1 - p_y)^i / i, between mean absolute error (order 1) and cross entropy."""

    card = Card(
        title="Can Cross Entropy Loss Be Robust to Label Noise?",
        authors="Lei Feng, Senlin Shu, Zhuoyi Lin, Fengmao Lv, Li Li, Bo An",
        venue="IJCAI",
        year=2020,
        doi="10.24963/ijcai.2020/305",
        family="robust loss",
        search=(Search("order", 1, 10),),
        official="order chosen per task from 2 to 8 (2 on MNIST and CIFAR-10)",
        deviations="none",
        proof="golden",
    )

    class Config(Method.Config):
        order: int = Field(2, ge=1, le=100)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        wrong = one_minus_p(logits.log_softmax(1), batch.y)
        power = torch.arange(1, self.cfg.order + 1, device=wrong.device)
        return (wrong[:, None] ** power / power).sum(1).mean()
