"""L2RW: learning to reweight examples (Ren et al., ICML 2018)."""

import torch
from torch import Tensor

from methods import Batch, Card, Phase
from methods._meta import MetaMethod


class L2RW(MetaMethod):
    """Weighs each sample by how much a step on it would lower the loss on a clean batch.

    With the weights eps_i of a batch at 0, the network is moved by a gradient step on sum_i eps_i l_i; the clean loss
    after it has the derivative -lr <grad l_i, grad l_clean> by eps_i. The weight of sample i is the negative of that,
    but at least 0, divided by the sum over the batch. Loss: sum_i w_i l_i, l cross entropy; where all weights are 0
    the batch teaches nothing.
    """

    card = Card(
        title="Learning to Reweight Examples for Robust Deep Learning",
        authors="Mengye Ren, Wenyuan Zeng, Bin Yang, Raquel Urtasun",
        venue="ICML",
        year=2018,
        arxiv="1803.09050",
        code="https://github.com/uber-research/learning-to-reweight-examples",
        family="reweighting",
        cost=6,
        cost_note=(
            "a trial step, its loss on a clean batch and the derivative of that; a step takes 5.3 (resnet18) to 6.7 "
            "(EfficientNet-Lite0) times as long on one core"
        ),
        needs=("clean_set",),
        phases=(Phase("train", steps=80_000),),
        official=(
            "CIFAR-10 and CIFAR-100: 1,000 clean images drawn at random, ResNet-32, SGD 0.1 with momentum 0.9, weight "
            "decay 2e-4, divided by 10 at steps 40,000 and 60,000 of 80,000, batch 100 and 100 clean images a step"
        ),
        deviations=(
            "the clean set holds equally many images of each class; one forward pass serves the trial and the step "
            "(in the code they have one each, equal but for dropout)"
        ),
        proof="golden",
    )

    def weigh(self, losses: Tensor, clean: Batch) -> Tensor:
        weights = (-self.slopes(torch.zeros_like(losses), losses, clean)).clamp(min=0)
        total = weights.sum()
        return weights / (total + (total == 0))
