"""Confident learning (Northcutt et al., JAIR 2021), by the library cleanlab."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Search, TrainSet
from methods._losses import pick
from methods._selection import keep_or_all, report_all


def label_issues(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Boolean [N]: labels that `prune_by_noise_rate` flags, by out-of-sample probabilities [N, K].

    None is flagged where a class has but one label.
    """
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "May not flag all label issues in class")
        return find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)


class ConfidentLearning(Method):
    """Drops the labels that out-of-sample predictions contradict, then trains with cross entropy on the rest.

    k networks are fitted on k stratified folds; their held-out probabilities give the confident joint
    Q[given, true], whose thresholds are the mean self-confidences of the classes. For every off-diagonal
    cell the N * Q[i, j] samples with the largest margin p_j - p_i are dropped (`prune_by_noise_rate`).
    """

    card = Card(
        title="Confident Learning: Estimating Uncertainty in Dataset Labels",
        authors="Curtis G. Northcutt, Lu Jiang, Isaac L. Chuang",
        venue="JAIR",
        year=2021,
        arxiv="1911.00068",
        doi="10.1613/jair.1.12125",
        code="https://github.com/cleanlab/cleanlab",
        family="data cleaning",
        cost=5,
        cost_note="k + 1 trainings of at most the full set",
        search=(Search("folds", 3, 10),),
        official="4 folds on CIFAR-10, 5 in cleanlab",
        state="[N] kept, [N] quality",
        deviations=(
            "the kept samples are not reweighted by class; a class keeps at least one label (ten in cleanlab's "
            "CleanLearning); the networks of the folds stop where they agree best with their held-out labels"
        ),
        proof="golden",
    )

    kept: Tensor
    quality: Tensor

    class Config(Method.Config):
        folds: int = Field(5, ge=2, le=20, description="by class; at random where no class has a sample for each")

    def build(self) -> None:
        super().build()
        n, device = self.kit.num_samples, self.kit.device
        self.register_buffer("kept", torch.ones(n, dtype=torch.bool, device=device))
        self.register_buffer("quality", torch.zeros(n, device=device))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch == 0:
            probabilities = self.kit.out_of_fold(self.cfg.folds)
            self.quality.copy_(pick(probabilities, data.y))
            issues = label_issues(data.y.cpu().numpy(), probabilities.double().cpu().numpy())
            self.kept.copy_(keep_or_all(torch.from_numpy(~issues)))
        report_all(self.kit, kept=self.kept, score=self.quality)
        return data.batches(self.kept.nonzero().squeeze(1))
