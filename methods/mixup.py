"""Mixup (Zhang et al., ICLR 2018)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._mixup import mixup, one_hot, soft_cross_entropy


class Mixup(Method):
    """Loss: cross entropy of w x_i + (1 - w) x_j with the target w e_{y_i} + (1 - w) e_{y_j}.

    w ~ Beta(alpha, alpha), one draw per batch, j a random permutation. Training accuracy is that on mixed
    images.
    """

    card = Card(
        title="mixup: Beyond Empirical Risk Minimization",
        authors="Hongyi Zhang, Moustapha Cisse, Yann N. Dauphin, David Lopez-Paz",
        venue="ICLR",
        year=2018,
        arxiv="1710.09412",
        code="https://github.com/facebookresearch/mixup-cifar10",
        family="control",
        phases=(Phase("train", epochs=200, steps=78_200),),
        search=(Search("alpha", 0.1, 8.0, log=True),),
        official="alpha = 1 on CIFAR-10 (8 and more against label noise), SGD 0.1, weight decay 1e-4, 200 epochs",
        deviations="none",
        proof="worked example",
    )

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0.01, le=100)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, targets = mixup(batch.x[0], one_hot(batch.y, self.kit.num_classes), self.cfg.alpha)
        logits = self.net(x)
        return self.descend(soft_cross_entropy(logits, targets), logits, batch)
