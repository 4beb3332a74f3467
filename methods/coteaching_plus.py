"""Co-teaching+ (Yu et al., ICML 2019)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Length, Phase, Search, TrainSet
from methods._selection import PeerMethod, masked_mean, small_loss_mask


class CoteachingPlus(PeerMethod):
    """Co-teaching among the samples on which the two networks disagree ("update by disagreement").

    Up to the initial epochs it is Co-teaching: each network picks the (1 - R(t)) share of smallest losses
    of the batch for its peer, R(t) = tau * min(t / (T_k - 1), 1). After them the share is taken of the
    samples with unequal predictions. Predicts with the first network.
    `form = "official"` gives the published code, which divides the mean of the kept losses by their number once
    more. After the initial epochs it also takes cross entropy of probabilities (a second softmax), drops the last
    disagreed sample when training sample 0 is among them, and where none is left trains on the whole batch: fully
    while epoch * batch of the epoch (both from 0) is below `full_steps`, then by the share that was disagreed on.
    """

    version = 3
    card = Card(
        title="How does Disagreement Help Generalization against Label Corruption?",
        authors="Xingrui Yu, Bo Han, Jiangchao Yao, Gang Niu, Ivor W. Tsang, Masashi Sugiyama",
        venue="ICML",
        year=2019,
        arxiv="1901.04215",
        code="https://github.com/xingruiyu/coteaching_plus",
        family="sample selection",
        cost=2,
        cost_note="two networks",
        needs=("noise_rate",),
        phases=(Phase("initial", epochs=20, steps=7800), Phase("disagreement", epochs=180, steps=70_200)),
        lengths=(Length("ramp", epochs=10, steps=3900),),
        search=(Search("forget_rate", 0.05, 0.7),),
        official=(
            "MNIST, CIFAR-10, CIFAR-100: 20 initial of 200 epochs (0 on MNIST, 5 on CIFAR-100), T_k = 10, Adam 1e-3, "
            "batch 128"
        ),
        deviations=(
            "R starts at 0, while the code counts epochs from 1 and so starts at tau / (T_k - 1); a last, smaller "
            "batch is trained on; the loss is the mean over the kept samples, which the code divides by their "
            "number once more; where no sample of a batch is disagreed on, its update is zero; `form` gives the code's"
        ),
        proof="golden",
        reproduction="paired: 2e-2 over 20 epochs; in float64: at most .000; run: -.008 ± .043 (version 3)",
    )

    class Config(PeerMethod.Config):
        initial: float | None = Field(
            None, gt=0, lt=1, description="epochs of plain Co-teaching, fraction; null: by the schedule rule"
        )
        form: Literal["paper", "official"] = "paper"
        full_steps: int = Field(
            5000, ge=0, description="official form: epoch * batch from which unanimous batches count less"
        )

    def build(self) -> None:
        super().build()
        self.batch_of_epoch = 0

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        self.batch_of_epoch = 0
        return super().plan(epoch, data)

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.initial)

    @property
    def ramp(self) -> int:
        return self.schedule.length("ramp", self.cfg.ramp)

    def losses(self, logits: Tensor, logits2: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        disagreement, official = self.phase(self.epoch) == "disagreement", self.cfg.form == "official"
        scores = (logits.softmax(1), logits2.softmax(1)) if disagreement and official else (logits, logits2)
        each, each2 = (F.cross_entropy(score, batch.y, reduction="none") for score in scores)
        candidates = torch.ones_like(batch.y, dtype=torch.bool)
        if disagreement:
            candidates = logits.argmax(1) != logits2.argmax(1)
        share = candidates.to(each.dtype).mean()
        if disagreement and official:
            candidates = _without_last(candidates, batch.index)
        kept = small_loss_mask(each, candidates, self.forget)
        kept2 = small_loss_mask(each2, candidates, self.forget)
        self.kit.report(batch.index, kept=kept, score=-each.detach())
        loss, loss2 = masked_mean(each, kept2), masked_mean(each2, kept)
        if not official:
            return loss, loss2
        divisor = kept.sum().clamp(min=1)
        full = self.epoch * self.batch_of_epoch < self.cfg.full_steps
        self.batch_of_epoch += 1
        rest = (~candidates.any()).to(each.dtype) * (1.0 if full else share)
        return loss / divisor + rest * each.mean(), loss2 / divisor + rest * each2.mean()


def _without_last(candidates: Tensor, index: Tensor) -> Tensor:
    """`candidates` [B] less its last entry, if training sample 0 is among them (as the published code)."""
    position = torch.arange(len(candidates), device=candidates.device)
    last = torch.where(candidates, position, -1).amax()
    affected = (candidates & (index == 0)).any()
    return candidates & ~((position == last) & affected)
