"""T-Revision: importance reweighting with a T that is learned on (Xia et al., NeurIPS 2019)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods import Batch, Field, TrainSet, accuracy
from methods._losses import pick
from methods._transition import TransitionMethod, row_normalize

OFFICIAL_EPOCHS = 200


class TRevision(TransitionMethod):
    """Loss: b * CE with b = p_y / (T'^t p)_y; first T' = T from anchor points, then T' = T + dT, dT trained.

    While T is fixed, b is a constant weight; in the revision the gradient reaches dT through b.
    Official settings: CIFAR-10, CIFAR-100: at most 20 epochs for the estimate (the best on held-out
    noisy labels), 200 with T, 200 of revision with Adam 5e-7 on network and dT, weight decay 1e-4.
    State: [K, K] T and dT. Needs: nothing; T with `estimate = "oracle"`. Cost: 1.5x. Deviations: the
    network keeps the suite's optimizer in the revision, and dT's rate is scaled by official / own epochs of
    revision, so that a short run moves it as far. `form = "reference"` is the first published code,
    which adds dT once more for every sample of the batch (sample n sees T + n dT).
    """

    version = 2
    family = "loss correction"
    cost = "1.5x"
    phases = ("reweight", "revise")
    proof = "golden"

    class Config(TransitionMethod.Config):
        revision: float = Field(0.5, gt=0, lt=1, description="start of the revision, fraction of the epochs")
        lr_correction: float = Field(5e-7, gt=0, description="Adam's rate for dT over 200 epochs of revision")
        form: Literal["paper", "reference"] = "paper"

    def build(self) -> None:
        super().build()
        k = self.kit.num_classes
        self.correction = nn.Parameter(torch.zeros(k, k, device=self.kit.device))
        epochs = max(1, self.kit.epochs - self.kit.schedule(self.cfg.revision))
        self.corrector = self.kit.optimizer(
            "correction",
            [self.correction],
            optimizer="adam",
            lr=self.cfg.lr_correction * max(1.0, OFFICIAL_EPOCHS / epochs),
            weight_decay=1e-4,
            scheduled=False,
        )

    def phase(self, epoch: int) -> str:
        return "reweight" if epoch < self.kit.schedule(self.cfg.revision) else "revise"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        p, revise = logits.softmax(1), self.phase(self.epoch) == "revise"
        noisy = pick(p @ self.T.to(p.dtype), batch.y)
        if revise:
            added = pick(p @ self.correction.to(p.dtype), batch.y)
            if self.cfg.form == "reference":
                added = added * torch.arange(1, len(p) + 1, device=p.device)
            noisy = noisy + added
        if self.cfg.form == "paper":
            # A revised entry may turn negative: the weight then stays positive and finite.
            weight = (pick(p, batch.y) / noisy.clamp(min=1e-12)).clamp(max=1e4)
        else:
            weight = pick(p, batch.y) / noisy
        weight = weight if revise else weight.detach()
        return (weight * F.cross_entropy(logits, batch.y, reduction="none")).mean()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.net(batch.x[0])
        loss = self.loss(logits, batch)
        if self.phase(self.epoch) == "revise":
            self.kit.update(loss, self.optimizer, self.corrector)
        else:
            self.kit.update(loss, self.optimizer)
        return {"loss": loss.detach(), "accuracy": accuracy(logits, batch.y)}

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        yield from super().plan(epoch, data)
        self.kit.report_transition(row_normalize((self.T + self.correction.detach()).clamp(min=0)))
