"""Hard bootstrapping (Reed et al., ICLR workshop 2015)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Search
from methods._losses import pick


class BootstrapHard(Method):
    """Loss: -beta log p_y - (1 - beta) log max_k p_k: the prediction is the second label (first on ties)."""

    card = Card(
        title="Training Deep Neural Networks on Noisy Labels with Bootstrapping",
        authors="Scott Reed, Honglak Lee, Dragomir Anguelov, Christian Szegedy, Dumitru Erhan, Andrew Rabinovich",
        venue="ICLR workshop",
        year=2015,
        arxiv="1412.6596",
        family="label refurbishment",
        search=(Search("beta", 0.3, 0.95),),
        official="beta = 0.8 (MNIST, Toronto faces)",
        deviations="p is not clamped at 1e-7",
        proof="golden",
    )

    class Config(Method.Config):
        beta: float = Field(0.8, ge=0, le=1, description="weight of the given label")

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        predicted = pick(log_p, log_p.argmax(1))
        return -(self.cfg.beta * pick(log_p, batch.y) + (1 - self.cfg.beta) * predicted).mean()
