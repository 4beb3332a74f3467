"""Peer loss (Liu & Guo, ICML 2020; multi-class form and code by Wei)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._losses import pick, stable_nll
from methods._options import ordered


class Peer(Method):
    """Loss: l(x_i, y_i) - a l(x_j, y_k) with random j and k, j != k, l = -log(p_y + eps).

    eps is what bounds the loss from below. `pairing` = "prior" takes the exact mean over y_k with the noisy
    label frequencies and x_i for x_j (the form that CORES and CAL warm up with; there eps_base = 1e-8). The learning
    rate is divided by 1 + a.
    """

    version = 3
    card = Card(
        title="Peer Loss Functions: Learning from Noisy Labels without Knowing Noise Rates",
        authors="Yang Liu, Hongyi Guo",
        venue="ICML",
        year=2020,
        arxiv="1910.03231",
        code="https://github.com/weijiaheng/Multi-class-Peer-Loss-functions",
        family="robust loss",
        phases=(
            Phase("warmup", epochs=20, steps=6240, plain=True),
            Phase("rise", epochs=20, steps=6240),
            Phase("peer", epochs=260, steps=81_120),
        ),
        search=(Search("alpha", 0.1, 3.0, log=True),),
        official=(
            "CIFAR-10: a is 0 for 20 of 300 epochs, rises to 1 by epoch 40 and goes on, to 5 with symmetric and "
            "20 with sparse noise, while the learning rate falls tenfold every 40 epochs and is divided by 1 + "
            "a; SGD 0.1, weight decay 1e-4; eps = 1e-5"
        ),
        state="the label frequencies",
        deviations=(
            "a stays at 1, where the official code first lowers its learning rate (a = 5 failed to train in a "
            "12-epoch trial on digits at a constant rate, which is why); j and k come from the same batch (a "
            "second one would double the cost); the optimizer keeps its momentum, which the code clears every epoch"
        ),
        fidelity="documented deviation: pairs within the batch, constant weight",
        proof="golden",
        reproduction="paired: 1e-2 over 20 epochs; in float64: at most .000 (version 3)",
    )

    prior: Tensor

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0, description="final weight of the peer term")
        eps: float = Field(1e-5, gt=0, lt=1)
        eps_base: float = Field(1e-5, gt=0, lt=1, description="eps of the first term")
        pairing: Literal["random", "prior"] = "random"
        warmup: float | None = Field(None, ge=0, le=1, description="a = 0, fraction; null: by the schedule rule")
        ramp_end: float | None = Field(None, gt=0, le=1, description="end of the rise of a to alpha, likewise")
        _rise = ordered("warmup", "ramp_end")

    def build(self) -> None:
        super().build()
        self.register_buffer("prior", torch.full((self.kit.num_classes,), 1 / self.kit.num_classes))

    def starts(self) -> tuple[int, ...]:
        rise, peer = self.schedule.starts(self.cfg.warmup)
        return rise, peer if self.cfg.ramp_end is None else self.kit.schedule(self.cfg.ramp_end)

    def weight(self, epoch: int) -> float:
        """The weight a of the peer term."""
        start, end = self.starts()
        if epoch >= end:
            return self.cfg.alpha
        return self.cfg.alpha * max(0.0, (epoch - start) / max(end - start - 1, 1))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if self.cfg.pairing == "prior":
            self.prior.copy_(torch.bincount(data.y, minlength=self.kit.num_classes) / len(data))
        self.kit.slow_down("net", self.weight(epoch))
        return data.batches()

    def difference(self, logits: Tensor, y: Tensor, peer_logits: Tensor, peer_y: Tensor) -> Tensor:
        """The loss for given peers: `peer_logits` [B', K] and their unrelated labels `peer_y` [B']."""
        base = pick(stable_nll(logits, self.cfg.eps_base), y).mean()
        return base - self.weight(self.epoch) * pick(stable_nll(peer_logits, self.cfg.eps), peer_y).mean()

    def expected_peer(self, logits: Tensor) -> Tensor:
        """Mean of l(x_i, y_k) over the batch and over labels drawn with the noisy frequencies."""
        return (stable_nll(logits, self.cfg.eps) @ self.prior.to(logits.dtype)).mean()

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.cfg.pairing == "prior":
            base = pick(stable_nll(logits, self.cfg.eps_base), batch.y).mean()
            return base - self.weight(self.epoch) * self.expected_peer(logits)
        order = torch.randperm(len(logits), device=logits.device)
        return self.difference(logits, batch.y, logits[order], batch.y[order.roll(1)])
