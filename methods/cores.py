"""CORES2: confidence-regularized sample sieve (Cheng et al., ICLR 2021)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Length, Method, Phase, Search, TrainSet
from methods._losses import stable_nll


class CORES(Method):
    """Loss over kept samples: CE - b E_k[-log(p_k + eps)]; kept: CE <= mean_k[-log(p_k + eps)].

    E_k weighs classes by the frequency of their labels among the samples that the last epoch kept, or equally
    (`prior` = "uniform"); the sieve always weighs them equally. eps bounds the loss, which has no lower bound for
    b > 1. The learning rate is divided by 1 + b. Where nothing is kept the loss is 0.
    """

    version = 3
    card = Card(
        title="Learning with Instance-Dependent Label Noise: A Sample Sieve Approach",
        authors="Hao Cheng, Zhaowei Zhu, Xingyu Li, Yifei Gong, Xing Sun, Yang Liu",
        venue="ICLR",
        year=2021,
        arxiv="2010.02347",
        code="https://github.com/UCSC-REAL/cores",
        family="sample selection",
        phases=(
            Phase("warmup", epochs=10, steps=7820, plain=True),
            Phase("regularize", epochs=21, steps=16_422),
            Phase("sieve", epochs=69, steps=53_958),
        ),
        lengths=(Length("ramp", epochs=30, steps=23_460),),
        search=(Search("beta", 0.25, 4.0, log=True),),
        official=(
            "CIFAR-10: b = 0 for 10 of 100 epochs, rises linearly to 2 over the next 30; the sieve is closed "
            "(all kept) through epoch 30; eps = 1e-8; SGD 0.1, divided by 10 at 50 and by 1 + b, batch 64, in the "
            "code without momentum and weight decay"
        ),
        state="[K] counts of the labels that the current epoch leaves out",
        deviations=(
            "the paper's second stage (consistency training on the samples left out) is not part of it; where nothing "
            "is kept the loss is 0, in the code about 1e-8"
        ),
        fidelity="official form",
        proof="golden",
        reproduction="paired: 0e+00 over 20 epochs; run: -.002 ± .012 (version 3)",
    )

    frequency: Tensor
    left_out: Tensor

    class Config(Method.Config):
        beta: float = Field(2.0, ge=0, description="final b")
        prior: Literal["noisy", "uniform"] = Field("noisy", description="weights of the classes in the regularizer")
        eps: float = Field(1e-8, gt=0, lt=1)
        warmup: float | None = Field(None, ge=0, le=1, description="b = 0, fraction; null: by the schedule rule")
        ramp: float | None = Field(None, gt=0, le=1, description="length of the rise of b, likewise")
        sieve: float | None = Field(None, ge=0, le=1, description="all samples are kept up to here, likewise")

    def build(self) -> None:
        super().build()
        k, device = self.kit.num_classes, self.kit.device
        self.register_buffer("frequency", torch.full((k,), 1 / k, device=device))
        self.register_buffer("left_out", torch.zeros(k, device=device))

    def weight(self, epoch: int) -> float:
        """b, the weight of the confidence regularizer."""
        done = epoch - self.starts()[0]
        steps = max(self.schedule.length("ramp", self.cfg.ramp) - 1, 1)
        return self.cfg.beta * min(max(done / steps, 0.0), 1.0)

    def starts(self) -> tuple[int, ...]:
        regularize, sieve = self.schedule.starts(self.cfg.warmup)
        return regularize, sieve if self.cfg.sieve is None else self.kit.schedule(self.cfg.sieve) + 1

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if self.cfg.prior == "noisy":
            kept = torch.bincount(data.y, minlength=self.kit.num_classes) - self.left_out
            self.frequency.copy_(torch.where(kept.sum() > 0, kept / kept.sum().clamp(min=1), self.frequency))
        self.left_out.zero_()
        self.kit.slow_down("net", self.weight(epoch))
        return data.batches()

    def rows(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Per sample, [B] each: the regularized loss, the sieve's metric, and whether it is kept."""
        ce = F.cross_entropy(logits, y, reduction="none")
        nll = stable_nll(logits, self.cfg.eps)
        loss = ce - self.weight(self.epoch) * (nll @ self.frequency.to(nll.dtype))
        metric = (ce - nll.mean(1)).detach()
        closed = self.phase(self.epoch) != "sieve"
        return loss, metric, torch.ones_like(y, dtype=torch.bool) if closed else metric <= 0

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        loss, metric, kept = self.rows(logits, batch.y)
        self.left_out.index_add_(0, batch.y, (~kept).to(self.left_out.dtype))
        self.kit.report(batch.index, kept=kept, score=-metric)
        return torch.where(kept, loss, 0.0).sum() / kept.sum().clamp(min=1)
