"""Generalized Jensen-Shannon divergence loss (Englesson & Azizpour, NeurIPS 2021)."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import field_validator
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, TrainSet
from methods._losses import jensen_shannon

Weight = Annotated[float, Field(gt=0, lt=1)]


class GJS(Method):
    """Loss: Z [H(m) - w1 H(p1) - w2 H(p2)], m = w0 e_y + w1 p1 + w2 p2, with p1 and p2 of two views.

    Z = -1 / ((1 - w0) log(1 - w0)).
    """

    card = Card(
        title="Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels",
        authors="Erik Englesson, Hossein Azizpour",
        venue="NeurIPS",
        year=2021,
        arxiv="2105.04522",
        code="https://github.com/ErikEnglesson/GJS",
        family="robust loss",
        cost=2,
        cost_note="two views, one forward pass over both",
        phases=(Phase("train", epochs=400, steps=156_000),),
        official=(
            "w tuned per noise rate, (.9, .05, .05) at 40 % symmetric noise on CIFAR-10, (.1, .45, .45) at 80 %; "
            "SGD 0.1, weight decay 5e-4, 400 epochs"
        ),
        deviations=(
            "one w for all rates; the suite's augmentation in both views, not the stronger official one; "
            "logarithms are not clamped at 1e-7"
        ),
        proof="golden",
    )

    class Config(Method.Config):
        weights: tuple[Weight, Weight, Weight] = Field((0.9, 0.05, 0.05), description="label, view 1, view 2")
        scaled: bool = True

        @field_validator("weights")
        @classmethod
        def sum_to_one(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
            if abs(sum(weights) - 1) > 1e-6:
                raise ValueError(f"weights sum to {sum(weights):g}, expected 1: try (0.9, 0.05, 0.05)")
            return weights

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        return data.batches(views=2)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """`logits` [2 * B, K]: those of the first view of the batch, then those of the second."""
        log_ps = logits.log_softmax(1).unflatten(0, (2, -1))
        return jensen_shannon(log_ps, batch.y, self.cfg.weights, scaled=self.cfg.scaled).mean()

    def logits(self, batch: Batch) -> Tensor:
        return self.net(batch.x.flatten(0, 1))
