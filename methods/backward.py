"""Backward loss correction (Patrini et al., CVPR 2017)."""

import math

import torch
from torch import Tensor

from methods import Batch
from methods._transition import TransitionMethod

CLIP = 1e-7


class Backward(TransitionMethod):
    """Loss: sum_k (T^-1)_{yk} l_k with l_k = -log p_k: unbiased for the clean loss, may be negative.

    T as in forward correction: estimated at anchor points, or the oracle's.
    Official settings: MNIST, CIFAR-10, CIFAR-100; p is clipped to [1e-7, 1 - 1e-7], which is what bounds
    the loss from below and so part of the method.
    State: [K, K] T and its inverse. Needs: nothing; T with `estimate = "oracle"`. Cost: 1.5x (1x with the
    oracle's T). Deviations: the estimating network stops early, as in forward correction; the inverse of a
    nearly singular estimate is its pseudoinverse, without singular values below 1e-3 of the largest.
    """

    version = 2
    family = "loss correction"
    cost = "1.5x"
    equals_ce = "with the identity for T (oracle, no noise), where no probability is clipped"
    proof = "golden"

    inverse: Tensor

    def build(self) -> None:
        self.register_buffer("inverse", torch.eye(self.kit.num_classes, device=self.kit.device))
        super().build()

    def adopt(self, transition: Tensor) -> None:
        super().adopt(transition)
        precise = transition.double()
        rank = int(torch.linalg.matrix_rank(precise, rtol=1e-3))
        if self.cfg.estimate == "oracle" and rank < len(precise):
            raise ValueError(
                f"the given transition matrix is singular (rank {rank} of {len(precise)}), and backward "
                "correction needs its inverse; use the method forward instead"
            )
        self.inverse.copy_(torch.linalg.pinv(precise, rtol=1e-3))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1).clamp(math.log(CLIP), math.log1p(-CLIP))
        return -(self.inverse.to(log_p.dtype)[batch.y] * log_p).sum(1).mean()
