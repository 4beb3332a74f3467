"""Truncated generalized cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._losses import pick, power_loss


class GCETruncated(Method):
    """Loss: w L_q(p_y) + (1 - w) L_q(k), L_q(p) = (1 - p^q) / q; w = 1 where p_y > k at the last pruning.

    A pruned sample adds a constant, hence no gradient, and counts in the mean.
    """

    card = Card(
        title="Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
        authors="Zhilu Zhang, Mert R. Sabuncu",
        venue="NeurIPS",
        year=2018,
        arxiv="1805.07836",
        family="robust loss",
        cost=1.02,
        cost_note="an inference pass per pruning",
        phases=(Phase("all samples", epochs=40, steps=14_080), Phase("truncated", epochs=80, steps=28_160)),
        search=(
            Search("q", 0.1, 1.0),
            Search("k", 0.2, 0.8),
        ),
        official=(
            "q = 0.7, k = 0.5 on CIFAR-10 and CIFAR-100; pruned from epoch 40 of 120, every 10 epochs, in eval mode"
        ),
        state="one bool per sample",
        deviations=(
            "prunes with the current weights, the paper with those of the best noisy validation; the loss is higher "
            "than the paper's by the constant L_q(k); the common PyTorch code (not the authors') prunes one epoch "
            "earlier, on augmented images, with the weights of the best test accuracy"
        ),
        fidelity="documented deviation: prunes with the current weights",
        proof="golden",
        reproduction="paired: 3e-3 over 20 epochs; in float64: at most .000 (version 1)",
    )

    kept: Tensor

    class Config(Method.Config):
        q: float = Field(0.7, gt=0, le=1)
        k: float = Field(0.5, gt=0, lt=1)
        start: float | None = Field(
            None, ge=0, le=1, description="first pruning, fraction of the epochs; null: by the schedule rule"
        )
        period: float = Field(10 / 120, gt=0, le=1, description="between prunings, fraction of the epochs")

    def build(self) -> None:
        super().build()
        self.register_buffer("kept", torch.ones(self.kit.num_samples, dtype=torch.bool))

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.start)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        since = epoch - self.starts()[0]
        if since >= 0 and since % self.kit.schedule(self.cfg.period) == 0:
            self.prune(data.scan(self.net).softmax(1), data.y, torch.arange(len(data), device=data.y.device))
        return data.batches()

    def prune(self, p: Tensor, y: Tensor, index: Tensor) -> None:
        """Keeps those of the samples `index` whose label has more than probability k in `p` [B, K]."""
        self.kept[index] = pick(p, y) > self.cfg.k

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = pick(logits.log_softmax(1), batch.y)
        kept = self.kept[batch.index]
        self.kit.report(batch.index, kept=kept, score=log_p.detach())
        pruned = (1 - self.cfg.k**self.cfg.q) / self.cfg.q
        return torch.where(kept, power_loss(log_p, self.cfg.q), pruned).mean()
