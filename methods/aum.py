"""AUM: area under the margin ranking (Pleiss et al., NeurIPS 2020)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Length, Method, Phase, Search, TrainSet
from methods._selection import keep_or_all, masked_mean, report_all


class AUM(Method):
    """Drops the samples whose margin, averaged over an early training, is no better than that of fake labels.

    Margin of a sample: z_y - max_{k != y} z_k, of the logits seen in training. N / (K + 1) random threshold
    samples get the label of an extra class K; samples with a mean margin up to the 99th percentile of the
    threshold samples' are dropped. A second training with other threshold samples judges those of the
    first. Then cross entropy on the rest.

    `form = "official"` is the published code's: N / K threshold samples, mean margins without the first epoch, a
    sample is dropped if more than 1 % of the threshold samples have a larger margin, in each of the two trainings
    in which it keeps its own label, and it stays in the batches with weight 0.
    """

    card = Card(
        title="Identifying Mislabeled Data using the Area Under the Margin Ranking",
        authors="Geoff Pleiss, Tianyi Zhang, Ethan R. Elenberg, Kilian Q. Weinberger",
        venue="NeurIPS",
        year=2020,
        arxiv="2001.10528",
        code="https://github.com/asappresearch/aum",
        family="data cleaning",
        cost=2,
        cost_note="two margin trainings over half of the epochs each",
        phases=(Phase("train", epochs=300),),
        lengths=(Length("margins", epochs=150, steps=105_600),),
        search=(Search("percentile", 80.0, 99.9),),
        official=(
            "CIFAR-10, CIFAR-100: margins over 150 of 300 epochs, before the learning rate drops, batch 64, SGD "
            "0.1, weight decay 1e-4, 99th percentile"
        ),
        state="[N] kept and score, two scoring networks",
        deviations=(
            "all trainings have the suite's batch size and optimizer (in the code batches of 64 for margins and 256 "
            "afterwards, Nesterov's momentum); margins are not rounded to half precision"
        ),
        proof="golden",
        reproduction="paired: 9e-3 over 20 epochs (version 1)",
    )

    kept: Tensor
    score: Tensor

    class Config(Method.Config):
        epochs: float | None = Field(
            None, gt=0, le=1, description="of a margin training, as a fraction; null: by the schedule rule"
        )
        percentile: float = Field(99.0, gt=0, le=100, description="of the threshold samples' margins")
        form: Literal["paper", "official"] = "paper"

    def build(self) -> None:
        super().build()
        n, device = self.kit.num_samples, self.kit.device
        self.scorers = torch.nn.ModuleList(
            self.kit.network(f"scorer{turn}", self.kit.num_classes + 1) for turn in (0, 1)
        )
        self.scorer_optimizers = [
            self.kit.optimizer(f"scorer{turn}", scorer.parameters(), scheduled=False)
            for turn, scorer in enumerate(self.scorers)
        ]
        self.register_buffer("kept", torch.ones(n, dtype=torch.bool, device=device))
        self.register_buffer("score", torch.zeros(n, device=device))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch == 0:
            self.judge(data)
        report_all(self.kit, kept=self.kept, score=self.score)
        return data.batches() if self.official else data.batches(self.kept.nonzero().squeeze(1))

    @property
    def official(self) -> bool:
        return self.cfg.form == "official"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.official:
            return masked_mean(F.cross_entropy(logits, batch.y, reduction="none"), self.kept[batch.index])
        return F.cross_entropy(logits, batch.y)

    def judge(self, data: TrainSet) -> None:
        """Fills `score`, the mean margin above the threshold, and `kept`."""
        n, k = len(data), self.kit.num_classes
        size = max(1, n // (k if self.official else k + 1))
        order = torch.randperm(n).to(data.y.device)
        first, second = order[:size], order[size : 2 * size]
        scores = []
        for turn, fake in enumerate((first, second)):
            y = data.y.clone()
            y[fake] = k
            margin = self.train_scorer(turn, data, y)
            scores.append(margin - self.limit(margin[fake]))
        score = scores[0].maximum(scores[1]) if self.official else scores[0].clone()
        score[second] = scores[0][second]
        score[first] = scores[1][first]
        self.score.copy_(score)
        self.kept.copy_(keep_or_all(score >= 0 if self.official else score > 0))

    def limit(self, margin: Tensor) -> Tensor:
        """The margin that separates: a percentile of the threshold samples' `margin` [M]."""
        share = self.cfg.percentile / 100
        if self.official:
            return margin.kthvalue(max(1, len(margin) - int((1 - share) * len(margin)))).values
        return torch.quantile(margin, share)

    def train_scorer(self, turn: int, data: TrainSet, y: Tensor) -> Tensor:
        """Mean margins [N] of the labels `y` [N], fake ones included, over a training on them."""
        total = torch.zeros(len(data), device=y.device)
        count = torch.zeros(len(data), device=y.device)
        epochs = self.schedule.length("margins", self.cfg.epochs)
        begin = min(1, epochs - 1) if self.official else 0
        for epoch in range(epochs):
            for batch in data.batches():
                labels = y[batch.index]
                logits = self.scorers[turn](batch.x[0])
                self.kit.update(F.cross_entropy(logits, labels), self.scorer_optimizers[turn])
                if epoch >= begin:
                    total[batch.index] += margins(logits, labels).to(total.dtype)
                    count[batch.index] += 1
        return total / count.clamp(min=1)


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """z_y - max_{k != y} z_k per row of logits [B, K]: detached, [B]."""
    logits = logits.detach()
    at = y[:, None]
    return (logits.gather(1, at) - logits.scatter(1, at, -torch.inf).amax(1, keepdim=True)).squeeze(1)
