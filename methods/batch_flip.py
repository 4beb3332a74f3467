"""Label flips anew in every batch: DisturbLabel (Xie et al., CVPR 2016)."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Search


class BatchFlip(Method):
    """Loss: cross entropy after moving a share rho of the batch's labels to other classes, drawn each time.

    DisturbLabel with alpha = rho K / (K - 1), which is also the epsilon of the label smoothing that has its
    expected gradient. "bernoulli" flips each label on its own; "exact" flips rho B of them, rounded up or down
    at random, so that rho holds at every batch size.
    """

    card = Card(
        title="DisturbLabel: Regularizing CNN on the Loss Layer",
        authors="Lingxi Xie, Jingdong Wang, Zhen Wei, Meng Wang, Qi Tian",
        venue="CVPR",
        year=2016,
        arxiv="1605.00055",
        family="control",
        search=(Search("rho", 0.01, 0.4, log=True),),
        official="alpha = 0.1 on CIFAR-10",
        deviations="the default rho = 0.05 is this suite's",
        under_noise="regularizer",
        proof="closed form",
    )

    class Config(Method.Config):
        rho: float = Field(0.05, ge=0, lt=1, description="share of flipped labels")
        mode: Literal["bernoulli", "exact"] = "bernoulli"

    def flip(self, y: Tensor, num_classes: int) -> Tensor:
        """[B] labels, of which a share rho was moved to one of the K - 1 other classes."""
        if self.cfg.mode == "bernoulli":
            flipped = torch.rand(len(y), device=y.device) < self.cfg.rho
        else:
            flipped = torch.randperm(len(y), device=y.device) + torch.rand(1, device=y.device) < self.cfg.rho * len(y)
        moved = (y + torch.randint(1, num_classes, y.shape, device=y.device)) % num_classes
        return torch.where(flipped, moved, y)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        # The running accuracy is against the flipped labels too, as the loss is.
        return super().step(replace(batch, y=self.flip(batch.y, self.kit.num_classes)))
