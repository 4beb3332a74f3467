"""Backward loss correction (Patrini et al., CVPR 2017)."""

import math

import torch
from torch import Tensor

from methods import Batch, Card, Search
from methods._transition import TransitionMethod

CLIP = 1e-7


class Backward(TransitionMethod):
    """Loss: sum_k (T^-1)_{yk} l_k with l_k = -log p_k: unbiased for the clean loss, may be negative.

    T as in forward correction: estimated at anchor points, or the oracle's (`estimate = "oracle"`, which is
    given T). p is clipped to [1e-7, 1 - 1e-7]: this bounds the loss from below and so is part of the method.
    """

    version = 2
    card = Card(
        title="Making Deep Neural Networks Robust to Label Noise: A Loss Correction Approach",
        authors="Giorgio Patrini, Alessandro Rozza, Aditya Krishna Menon, Richard Nock, Lizhen Qu",
        venue="CVPR",
        year=2017,
        arxiv="1609.03683",
        code="https://github.com/giorgiop/loss-correction",
        family="loss correction",
        cost=1.5,
        cost_note="the network that T is estimated with; 1x with the oracle's T",
        search=(Search("percentile", 80.0, 99.5),),
        official="MNIST, CIFAR-10, CIFAR-100; p is clipped to [1e-7, 1 - 1e-7]",
        state="[K, K] T and its inverse",
        deviations=(
            "the estimating network stops early, as in forward correction; the inverse of a nearly singular "
            "estimate is its pseudoinverse, without singular values below 1e-3 of the largest"
        ),
        under_noise="unbounded below",
        proof="golden",
        equals_ce="with the identity for T (oracle, no noise), where no probability is clipped",
    )

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
