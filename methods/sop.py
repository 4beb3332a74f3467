"""SOP: robust training by sparse over-parameterization (Liu et al., ICML 2022)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._mixup import one_hot

EPS = 1e-4
OFFICIAL_EPOCHS = 120


class SOP(Method):
    """Models the label noise of each sample by s_i = u_i^2 * y - v_i^2 * (1 - y), trained with the network.

    Loss: CE(norm(p + u^2 y - v^2 (1 - y)), y), v constant, + |onehot(argmax p) + u^2 y - v^2 (1 - y) - y|^2,
    summed over classes, mean over the batch: the first trains the network and u, the second u and v.
    `consistency` and `balance` above 0 give SOP+: KL between the predictions of two views, and the cross
    entropy of the mean prediction against the uniform distribution.
    """

    card = Card(
        title="Robust Training under Label Noise by Over-parameterization",
        authors="Sheng Liu, Zhihui Zhu, Qing Qu, Chong You",
        venue="ICML",
        year=2022,
        arxiv="2202.14026",
        code="https://github.com/shengliu66/SOP",
        family="regularization",
        cost_note="2x with `consistency`",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(
            Search("lr_u", 0.5, 30.0, log=True),
            Search("lr_v", 0.5, 100.0, log=True),
        ),
        official=(
            "learning rates of u, v: 10, 10 on CIFAR-10 (10, 100 asymmetric), 1, 10 on CIFAR-100, without "
            "momentum, decay or schedule; u, v drawn from N(0, 1e-8); SGD 0.02, weight decay 5e-4, 120 epochs; "
            "SOP+: consistency 0.9, balance 0.1"
        ),
        state="N * (K + 1) trained parameters",
        deviations=(
            "u and v grow by a constant factor per epoch, from 1e-8 to order one in the official 120, so a "
            "shorter run begins at the scale from which its own epochs suffice: init_std^(epochs / 120)"
        ),
        fidelity="paper form; the initial scale of u and v follows the number of epochs",
        proof="golden",
        reproduction="paired: 7e-4 over 20 epochs; run: +.001 ± .013 (version 1)",
    )

    class Config(Method.Config):
        lr_u: float = Field(10.0, gt=0)
        lr_v: float = Field(10.0, gt=0)
        init_std: float = Field(1e-8, gt=0, lt=1)
        consistency: float = Field(0.0, ge=0)
        balance: float = Field(0.0, ge=0)

    def build(self) -> None:
        super().build()
        n, k, device = self.kit.num_samples, self.kit.num_classes, self.kit.device
        std = self.cfg.init_std ** min(1.0, self.kit.epochs / OFFICIAL_EPOCHS)
        self.u = nn.Parameter(torch.randn(n, 1, device=device) * std)
        self.v = nn.Parameter(torch.randn(n, k, device=device) * std)
        plain: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "scheduled": False}
        self.optimizer_u = self.kit.optimizer("u", [self.u], lr=self.cfg.lr_u, **plain)
        self.optimizer_v = self.kit.optimizer("v", [self.v], lr=self.cfg.lr_v, **plain)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        return data.batches(views=2 if self.cfg.consistency else 1)

    def logits(self, batch: Batch) -> Tensor:
        return self.net(batch.x.flatten(0, 1) if self.cfg.consistency else batch.x[0])

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """`logits` [B, K]; with `consistency` [2 * B, K], of the first view, then of the second."""
        if not self.cfg.consistency:
            return self.supervised(logits, batch)
        first, second = logits.chunk(2)
        return self.supervised(first, batch) + self.cfg.consistency * consistency(first, second)

    def supervised(self, logits: Tensor, batch: Batch) -> Tensor:
        """Both terms of the loss, and `balance`, of the logits [B, K] of one view."""
        label = one_hot(batch.y, logits.shape[1], logits.dtype)
        u_square = (self.u[batch.index] ** 2 * label).clamp(0, 1).to(logits.dtype)
        v_square = (self.v[batch.index] ** 2 * (1 - label)).clamp(0, 1).to(logits.dtype)
        p = (logits.softmax(1) + u_square - v_square.detach()).clamp(min=EPS)
        p = F.normalize(p, p=1, eps=EPS).clamp(EPS, 1.0)
        cross_entropy = -(label * p.log()).sum(1).mean()
        hard = one_hot(logits.detach().argmax(1), logits.shape[1], logits.dtype)
        square = (hard + u_square - v_square - label).square().sum(1).mean()
        loss = cross_entropy + square
        if self.cfg.balance:
            loss = loss - self.cfg.balance * p.mean(0).clamp(EPS, 1.0).log().mean()
        return loss

    def optimizers(self) -> tuple[Optimizer, ...]:
        return self.optimizer, self.optimizer_u, self.optimizer_v


def consistency(logits: Tensor, second: Tensor) -> Tensor:
    """KL of the prediction of the second view from that of the first (constant), mean over the batch."""
    target = logits.detach().log_softmax(1)
    return F.kl_div(second.log_softmax(1), target, reduction="batchmean", log_target=True)
