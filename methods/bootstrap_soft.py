"""Soft bootstrapping (Reed et al., ICLR workshop 2015)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import pick


class BootstrapSoft(Method):
    """Loss: -sum_k [beta [k = y] + (1 - beta) p_k] log p_k: cross entropy plus an entropy penalty.

    Official settings: beta = 0.95 (MNIST, Toronto faces). The gradient goes through the target too, as in the
    paper, which calls the term minimum-entropy regularization.
    State: none. Needs: nothing. Cost: 1x. Deviations: p is not clamped at 1e-7.
    """

    family = "label refurbishment"
    proof = "golden"

    class Config(Method.Config):
        beta: float = Field(0.95, ge=0, le=1, description="weight of the given label")

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return ((1 - self.cfg.beta) * entropy - self.cfg.beta * pick(log_p, batch.y)).mean()
