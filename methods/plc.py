"""PLC: progressive label correction (Zhang et al., ICLR 2021)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._history import PredictionWindow
from methods._losses import pick
from methods._selection import report_all


class PLC(Method):
    """After the warm-up, before every epoch, a label y with p_y / max_k p_k < delta becomes the predicted class.

    The warm-up is one epoch longer than `warmup` says, as in the published code. p is the mean prediction of the
    last epochs. Where fewer than 0.1 % of the labels change, delta grows by `increment`, up to 0.9.
    """

    version = 3
    card = Card(
        title="Learning with Feature-Dependent Label Noise: A Progressive Approach",
        authors="Yikai Zhang, Songzhu Zheng, Pengxiang Wu, Mayank Goswami, Chao Chen",
        venue="ICLR",
        year=2021,
        arxiv="2103.07756",
        code="https://github.com/pxiangwu/PLC",
        family="label refurbishment",
        phases=(Phase("warm-up", epochs=9, steps=3168, plain=True), Phase("correct", epochs=171, steps=60_192)),
        search=(
            Search("delta", 0.1, 0.7),
            Search("increment", 0.02, 0.3, log=True),
        ),
        official=(
            "CIFAR-10, CIFAR-100: delta = 0.3, increment 0.1, warm-up 8 of 180 epochs and the first correction "
            "an epoch later, mean over 5 epochs, SGD 0.01 with Nesterov's momentum, weight decay 5e-4"
        ),
        state="[N] labels, [W, N, K] predictions, delta",
        deviations="Nesterov's momentum is not used",
        proof="golden",
        reproduction="paired: 1e-3 over 20 epochs; run: +.007 ± .015 (version 3)",
    )

    label: Tensor
    delta: Tensor

    class Config(Method.Config):
        delta: float = Field(0.3, gt=0, lt=1)
        increment: float = Field(0.1, ge=0, lt=1)
        warmup: float | None = Field(
            None,
            gt=0,
            lt=1,
            description="epochs on the given labels but one, as a fraction; null: by the schedule rule",
        )
        window: float = Field(5 / 180, gt=0, le=1, description="epochs whose predictions are averaged, as a fraction")

    def build(self) -> None:
        super().build()
        n, device = self.kit.num_samples, self.kit.device
        window = self.kit.schedule(self.cfg.window)
        self.history = PredictionWindow(window, n, self.kit.num_classes, device)
        self.register_buffer("label", torch.zeros(n, dtype=torch.int64, device=device))
        delta = torch.tensor(self.cfg.delta, dtype=torch.float64, device=device)
        self.register_buffer("delta", delta)

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts() if self.cfg.warmup is None else (self.kit.schedule(self.cfg.warmup) + 1,)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch == 0:
            self.label.copy_(data.y)
            self.history.fill(data.y)
        elif self.phase(epoch) == "correct":
            self.correct(self.history.mean(epoch))
        report_all(self.kit, label=self.label)
        return data.batches()

    def correct(self, probabilities: Tensor) -> None:
        """One round of corrections by mean predictions [N, K]; moves delta."""
        top, best = probabilities.max(1)
        given = pick(probabilities, self.label)
        wrong = given / top < self.delta.to(given.dtype)
        self.label.copy_(torch.where(wrong, best, self.label))
        few = wrong.sum() < 1e-3 * len(wrong)
        self.delta.copy_(torch.where(few, (self.delta + self.cfg.increment).clamp(max=0.9), self.delta))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits, self.label[batch.index])

    def after_step(self, batch: Batch, logits: Tensor) -> None:
        self.history.record(self.epoch, batch.index, logits.softmax(1))
