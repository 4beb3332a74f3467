"""T-Revision: importance reweighting with a T that is learned on (Xia et al., NeurIPS 2019)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods import Batch, Card, Field, Phase, Search, TrainSet
from methods._losses import pick
from methods._transition import TransitionMethod, row_normalize

LARGEST = 80.0
"""Of log(p_k / p_y): a weight below exp(-80) is none."""
LARGEST_WEIGHT = 1e4


class TRevision(TransitionMethod):
    """Loss: b * CE with b = p_y / (T'^t p)_y; first T' = T from anchor points, then T' = T + dT, dT trained.

    While T is fixed, b is a constant weight; in the revision the gradient reaches dT through b. |b| is at most
    1e4. With `estimate = "oracle"` T is given. `form = "official"` is the first published code, which adds dT
    once more for every sample of the batch (sample n sees T + n dT).
    """

    version = 4
    card = Card(
        title="Are Anchor Points Really Indispensable in Label-Noise Learning?",
        authors="Xiaobo Xia, Tongliang Liu, Nannan Wang, Bo Han, Chen Gong, Gang Niu, Masashi Sugiyama",
        venue="NeurIPS",
        year=2019,
        arxiv="1906.00189",
        code="https://github.com/xiaoboxia/T-Revision",
        family="loss correction",
        cost=1.5,
        cost_note="the network that T is estimated with; 1x with the oracle's T",
        phases=(Phase("reweight", epochs=200, steps=70_400), Phase("revise", epochs=200, steps=70_400)),
        search=(
            Search("percentile", 80.0, 99.5),
            Search("lr_correction", 5e-08, 5e-06, log=True),
        ),
        official=(
            "CIFAR-10, CIFAR-100: at most 20 epochs for the estimate (the best on held-out noisy labels), 200 "
            "with T, 200 of revision with Adam 5e-7 on network and dT, weight decay 1e-4; no percentile on CIFAR-100"
        ),
        state="[K, K] T and dT",
        deviations=(
            "the network starts afresh, in the code from the best epoch of the estimating network, and the revision "
            "goes on from the last epoch, in the code from the best on held-out noisy labels; the network keeps the "
            "suite's optimizer in the revision, and dT's rate is scaled by official / own epochs of revision, so "
            "that a short run moves it as far"
        ),
        proof="golden",
        reproduction="paired: 4e-3 over 20 epochs; in float64: at most .000 (version 4)",
    )

    class Config(TransitionMethod.Config):
        revision: float | None = Field(
            None, gt=0, lt=1, description="start of the revision, fraction of the epochs; null: by the schedule rule"
        )
        lr_correction: float = Field(5e-7, gt=0, description="Adam's official rate for dT")
        form: Literal["paper", "official"] = "paper"

    def build(self) -> None:
        super().build()
        k = self.kit.num_classes
        self.correction = nn.Parameter(torch.zeros(k, k, device=self.kit.device))
        self.corrector = self.kit.optimizer(
            "correction",
            [self.correction],
            optimizer="adam",
            lr=self.cfg.lr_correction * self.schedule.rate_factor("revise", self.cfg.revision),
            weight_decay=1e-4,
            scheduled=False,
        )

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.revision)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p, revise = logits.log_softmax(1), self.phase(self.epoch) == "revise"
        # p_k / p_y, so that 1 / b is right where the probabilities themselves have underflown.
        odds = (log_p - pick(log_p, batch.y)[:, None]).clamp(max=LARGEST).exp()
        inverse = pick(odds @ self.T.to(odds.dtype), batch.y)
        if revise:
            added = pick(odds @ self.correction.to(odds.dtype), batch.y)
            if self.cfg.form == "official":
                added = added * torch.arange(1, len(odds) + 1, device=odds.device)
            inverse = inverse + added
        weight = 1 / torch.where(inverse == 0, 1.0, inverse)
        if self.cfg.form == "paper":
            # A revised entry may turn negative, and (T'^t p)_y with it: the weight stays finite.
            weight = weight.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT)
        weight = weight if revise else weight.detach()
        return -(weight * pick(log_p, batch.y)).mean()

    def optimizers(self) -> tuple[Optimizer, ...]:
        return (self.optimizer, self.corrector) if self.phase(self.epoch) == "revise" else (self.optimizer,)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        yield from super().plan(epoch, data)
        self.kit.report_transition(row_normalize((self.T + self.correction.detach()).clamp(min=0)))
