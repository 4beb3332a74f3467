"""VolMinNet: end-to-end label-noise learning without anchor points (Li et al., ICML 2021)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._transition import forward_nll


class VolMinNet(Method):
    """Forward correction whose T is trained with the network towards the smallest volume.

    Loss: -log (T^t p)_y + lambda * log |det T|, T = rownorm(I + offdiag sigmoid(w)), w = -init at first.
    """

    version = 2
    card = Card(
        title="Provably End-to-end Label-noise Learning without Anchor Points",
        authors="Xuefeng Li, Tongliang Liu, Bo Han, Gang Niu, Masashi Sugiyama",
        venue="ICML",
        year=2021,
        arxiv="2102.02400",
        code="https://github.com/xuefeng-li1/Provably-end-to-end-label-noise-learning-without-anchor-points",
        family="loss correction",
        phases=(Phase("train", epochs=80, steps=28_160),),
        search=(
            Search("lam", 1e-06, 0.01, log=True),
            Search("init", 1.0, 5.0),
        ),
        official=(
            "CIFAR-10: lambda = 1e-4, init = 2, SGD 0.01 with momentum 0.9 for network and T, 80 epochs divided "
            "by 10 at 30 and 60, weight decay 1e-4 in the code; CIFAR-100: init = 4.5 and Adam for T"
        ),
        state="[K, K] trained",
        deviations="log space; the suite's weight decay for the network",
        proof="golden",
        reproduction="paired: 4e-3 over 20 epochs; in float64: at most .000 (version 2)",
    )

    class Config(Method.Config):
        lam: float = Field(1e-4, ge=0, description="weight of the volume, log |det T|")
        init: float = Field(2.0, description="-w at the start: the larger, the nearer T is to the identity")
        lr: float = Field(0.01, gt=0, description="official learning rate of w")
        momentum: float = Field(0.9, ge=0, lt=1)
        optimizer: Literal["sgd", "adam"] = "sgd"

    def build(self) -> None:
        super().build()
        k = self.kit.num_classes
        self.w = nn.Parameter(torch.full((k, k), -self.cfg.init, device=self.kit.device))
        self.optimizer_t = self.kit.optimizer(
            "transition",
            [self.w],
            optimizer=self.cfg.optimizer,
            lr=self.cfg.lr * self.schedule.rate_factor("train"),
            momentum=self.cfg.momentum,
            weight_decay=0.0,
        )

    def transition(self) -> Tensor:
        """[K, K] row-stochastic, its diagonal the largest of every row; differentiable."""
        identity = torch.eye(len(self.w), dtype=self.w.dtype, device=self.w.device)
        raw = identity + self.w.sigmoid() * (1 - identity)
        return raw / raw.sum(1, keepdim=True)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        yield from data.batches()
        self.kit.report_transition(self.transition())

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        transition = self.transition()
        volume = torch.linalg.slogdet(transition).logabsdet.to(logits.dtype)
        return forward_nll(logits.log_softmax(1), transition, batch.y).mean() + self.cfg.lam * volume

    def optimizers(self) -> tuple[Optimizer, ...]:
        return self.optimizer, self.optimizer_t
