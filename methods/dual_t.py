"""Dual T: a transition matrix in two factors (Yao et al., NeurIPS 2020)."""

import torch
from torch import Tensor

from methods import Batch, Card, Phase, Search
from methods._transition import TransitionMethod, forward_nll, row_normalize


class DualT(TransitionMethod):
    """Forward correction with T = T_club T_spade, through the class that a first network predicts.

    T_club[i, l] = P(predicted = l | clean = i) from the anchor points of the network's posterior;
    T_spade[l, j] = P(noisy = j | predicted = l) by counting, which needs no posterior.
    """

    version = 2
    card = Card(
        title="Dual T: Reducing Estimation Error for Transition Matrix in Label-noise Learning",
        authors="Yu Yao, Tongliang Liu, Bo Han, Mingming Gong, Jiankang Deng, Gang Niu, Masashi Sugiyama",
        venue="NeurIPS",
        year=2020,
        arxiv="2006.07805",
        code=(
            "https://github.com/a5507203/dual-t-reducing-estimation-error-for-transition-matrix-in-label-noise-learning"
        ),
        family="loss correction",
        cost=1.5,
        cost_note="the network that T is estimated with; 1x with the oracle's T",
        phases=(Phase("train", epochs=200, steps=70_400),),
        search=(Search("percentile", 80.0, 99.5),),
        official=("MNIST, CIFAR-10, CIFAR-100: 97th percentile, first network at most 20 of 200 epochs, SGD 0.01"),
        state="[K, K] T",
        deviations=(
            "the row of a class that is never predicted is that of the identity (0 in the published code); "
            "outliers are passed over instead of zeroed in place, which `in_place_filter` restores, and the rows of "
            "T_club are normalized; log space instead of log(p + 1e-12)"
        ),
        proof="golden",
    )

    def estimate(self, probabilities: Tensor, y: Tensor) -> Tensor:
        spade = row_normalize(count_matrix(probabilities.argmax(1), y, self.kit.num_classes))
        return row_normalize(self.anchors(probabilities)) @ spade.to(probabilities.dtype)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return forward_nll(logits.log_softmax(1), self.T, batch.y).mean()


def count_matrix(predicted: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """[K, K] float64 counts of samples with class l predicted (rows) and label j (columns)."""
    counts = torch.bincount(predicted * num_classes + y, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).double()
