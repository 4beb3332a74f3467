"""FINE samples (Kim et al., NeurIPS 2021): selection by alignment with the principal direction of a class."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._mixture import mixture_posterior
from methods._selection import keep_or_all, report_all


class FINE(Method):
    """Trains on the samples whose features point along the first singular vector of their class.

    v_k is the first right singular vector of the uncentered features [N_k, D] with label k, among the samples that
    the last selection kept; the score of sample i is <v_{y_i}, z_i / |z_i|>^2. Per class a mixture of two Gaussians
    is fitted to the scores, and samples with a posterior of the larger mean above `threshold` are kept, anew in
    every epoch after the warm-up (cross entropy on all). `score = "absolute"` is the published code's,
    |<v, z / |z|>|.
    """

    version = 2
    card = Card(
        title="FINE Samples for Learning with Noisy Labels",
        authors="Taehyeon Kim, Jongwoo Ko, Sangwook Cho, Jinhwan Choi, Se-Young Yun",
        venue="NeurIPS",
        year=2021,
        arxiv="2102.11628",
        code="https://github.com/Kthyeon/FINE_official",
        family="sample selection",
        cost=1.4,
        cost_note="a feature pass and a decomposition per epoch",
        phases=(Phase("warm-up", epochs=40, steps=14_080, plain=True), Phase("select", epochs=80)),
        search=(Search("threshold", 0.2, 0.8),),
        official="CIFAR-10, CIFAR-100: warm-up 40 of 120 epochs, selection every 10 epochs, threshold 0.5, SGD 0.02",
        state="[N] kept",
        deviations=(
            "selects in every epoch, the code in every tenth; the mixtures start from a fixed seed; where fewer than "
            "two samples are kept, all are"
        ),
        proof="golden",
        reproduction="paired: 7e-4 over 20 epochs (version 2)",
    )

    kept: Tensor

    class Config(Method.Config):
        warmup: float | None = Field(None, gt=0, lt=1, description="fraction of the epochs; null: by the schedule rule")
        threshold: float = Field(0.5, gt=0, lt=1)
        score: Literal["square", "absolute"] = "square"

    def build(self) -> None:
        super().build()
        self.register_buffer("kept", torch.ones(self.kit.num_samples, dtype=torch.bool, device=self.kit.device))

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.warmup)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if self.phase(epoch) == "warm-up":
            return data.batches()
        score = self.scores(data.scan(self.net.features), data.y)
        posterior = self.posteriors(score, data.y)
        self.kept.copy_(keep_or_all(posterior > self.cfg.threshold))
        report_all(self.kit, kept=self.kept, score=posterior)
        return data.batches(self.kept.nonzero().squeeze(1))

    def scores(self, features: Tensor, y: Tensor) -> Tensor:
        """Alignment [N] of `features` [N, D] with the direction of the kept samples of their label, in [0, 1]."""
        features = features.double()
        directions = principal_directions(features[self.kept], y[self.kept], self.kit.num_classes)
        unit = features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)
        alignment = (unit * directions[y]).sum(1)
        return alignment.square() if self.cfg.score == "square" else alignment.abs()

    def posteriors(self, score: Tensor, y: Tensor) -> Tensor:
        """Posterior [N] of the better-aligned component, fitted per class."""
        posterior = torch.ones_like(score)
        for label in range(self.kit.num_classes):
            inside = (y == label).nonzero().squeeze(1)
            if len(inside) > 0:
                posterior[inside] = mixture_posterior(score[inside], clean="large")
        return posterior


def principal_directions(features: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """[K, D] first right singular vectors of the features [N, D] of each class; 0 for an absent class."""
    directions = []
    for label in range(num_classes):
        inside = features[y == label]
        # The Gram matrix is [D, D] however many samples there are; its last eigenvector is the largest.
        vector = torch.linalg.eigh(inside.T @ inside).eigenvectors[:, -1]
        directions.append(vector * (len(inside) > 0))
    return torch.stack(directions)
