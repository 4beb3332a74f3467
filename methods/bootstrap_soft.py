"""Soft bootstrapping (Reed et al., ICLR workshop 2015)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Search
from methods._losses import pick


class BootstrapSoft(Method):
    """Loss: -sum_k [beta [k = y] + (1 - beta) p_k] log p_k: cross entropy plus an entropy penalty.

    The gradient goes through the target too, as in the paper, which calls the term minimum-entropy
    regularization.
    """

    card = Card(
        title="Training Deep Neural Networks on Noisy Labels with Bootstrapping",
        authors="Scott Reed, Honglak Lee, Dragomir Anguelov, Christian Szegedy, Dumitru Erhan, Andrew Rabinovich",
        venue="ICLR workshop",
        year=2015,
        arxiv="1412.6596",
        family="label refurbishment",
        search=(Search("beta", 0.3, 0.99),),
        official="beta = 0.95 (MNIST, Toronto faces)",
        deviations="p is not clamped at 1e-7",
        under_noise="near cross entropy",
        proof="golden",
    )

    class Config(Method.Config):
        beta: float = Field(0.95, ge=0, le=1, description="weight of the given label")

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return ((1 - self.cfg.beta) * entropy - self.cfg.beta * pick(log_p, batch.y)).mean()
