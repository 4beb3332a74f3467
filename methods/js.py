"""Jensen-Shannon divergence loss (Englesson & Azizpour, NeurIPS 2021)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import jensen_shannon


class JS(Method):
    """Loss: Z [w KL(e_y | m) + (1 - w) KL(p | m)], m = w e_y + (1 - w) p, Z = -1 / ((1 - w) log(1 - w)).

    Between cross entropy (w -> 0) and mean absolute error (w -> 1). `scaled` = false drops Z.
    """

    card = Card(
        title="Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels",
        authors="Erik Englesson, Hossein Azizpour",
        venue="NeurIPS",
        year=2021,
        arxiv="2105.04522",
        code="https://github.com/ErikEnglesson/GJS",
        family="robust loss",
        phases=(Phase("train", epochs=400, steps=156_000),),
        search=(Search("label_weight", 0.1, 0.95),),
        official=(
            "w tuned per noise rate, 0.7 at 40 % symmetric noise on CIFAR-10, SGD 0.01, weight decay 5e-4, 400 epochs"
        ),
        deviations=(
            "one w for all rates; the suite's augmentation, not the stronger official one; logarithms are not clamped "
            "at 1e-7"
        ),
        proof="golden",
    )

    class Config(Method.Config):
        label_weight: float = Field(0.7, gt=0, lt=1)
        scaled: bool = True

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        weights = (self.cfg.label_weight, 1 - self.cfg.label_weight)
        return jensen_shannon(logits.log_softmax(1)[None], batch.y, weights, scaled=self.cfg.scaled).mean()
