"""Dual T: a transition matrix in two factors (Yao et al., NeurIPS 2020)."""

import torch
from torch import Tensor

from methods import Batch
from methods._transition import TransitionMethod, forward_nll, row_normalize


class DualT(TransitionMethod):
    """Forward correction with T = T_club T_spade, through the class that a first network predicts.

    T_club[i, l] = P(predicted = l | clean = i) from the anchor points of the network's posterior;
    T_spade[l, j] = P(noisy = j | predicted = l) by counting, which needs no posterior.
    Official settings: MNIST, CIFAR-10, CIFAR-100: 97th percentile (none on CIFAR-100), first network at most 20
    of 200 epochs, SGD 0.01.
    State: [K, K] T. Needs: nothing. Cost: 1.5x. Deviations: the row of a class that is never predicted is
    that of the identity (0 in the published code); outliers are passed over instead of zeroed in place,
    which `in_place_filter` restores.
    """

    version = 2
    family = "loss correction"
    cost = "1.5x"
    proof = "golden"

    def estimate(self, probabilities: Tensor, y: Tensor) -> Tensor:
        spade = row_normalize(count_matrix(probabilities.argmax(1), y, self.kit.num_classes))
        return row_normalize(self.anchors(probabilities)) @ spade.to(probabilities.dtype)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return forward_nll(logits.log_softmax(1), self.T, batch.y).mean()


def count_matrix(predicted: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """[K, K] float64 counts of samples with class l predicted (rows) and label j (columns)."""
    counts = torch.bincount(predicted * num_classes + y, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).double()
