"""Generalized cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import normalized, pick, power_loss


class GCE(Method):
    """Loss: (1 - p_y^q) / q, between cross entropy (q -> 0) and mean absolute error (q = 1).

    `normalized` divides by the sum over all classes (NGCE; Ma et al., ICML 2020). `gce_truncated` is the
    paper's second form.
    """

    card = Card(
        title="Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
        authors="Zhilu Zhang, Mert R. Sabuncu",
        venue="NeurIPS",
        year=2018,
        arxiv="1805.07836",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=42_240),),
        search=(Search("q", 0.1, 1.0),),
        official=(
            "q = 0.7 on CIFAR-10 and CIFAR-100, SGD 0.01, weight decay 1e-4, 120 epochs divided by 10 at 40 and 80"
        ),
        deviations=(
            "computed in log space, so sure mistakes keep the gradient that the official clamp at 1e-7 takes away"
        ),
        proof="golden",
    )

    class Config(Method.Config):
        q: float = Field(0.7, gt=0, le=1)
        normalized: bool = False

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        terms = power_loss(logits.log_softmax(1), self.cfg.q)
        return (normalized(terms, batch.y) if self.cfg.normalized else pick(terms, batch.y)).mean()
