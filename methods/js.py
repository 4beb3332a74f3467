"""Jensen-Shannon divergence loss (Englesson & Azizpour, NeurIPS 2021)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import jensen_shannon


class JS(Method):
    """Loss: Z [w KL(e_y | m) + (1 - w) KL(p | m)], m = w e_y + (1 - w) p, Z = -1 / ((1 - w) log(1 - w)).

    Between cross entropy (w -> 0) and mean absolute error (w -> 1). Official settings: w tuned per noise
    rate, 0.7 at 40 % symmetric noise on CIFAR-10 (kept for all here), SGD 0.01, weight decay 5e-4, 400
    epochs. `scaled` = false drops Z.
    State: none. Needs: nothing. Cost: 1x. Deviations: logarithms are not clamped at 1e-7.
    """

    family = "robust loss"
    proof = "golden"

    class Config(Method.Config):
        label_weight: float = Field(0.7, gt=0, lt=1)
        scaled: bool = True

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        weights = (self.cfg.label_weight, 1 - self.cfg.label_weight)
        return jensen_shannon(logits.log_softmax(1)[None], batch.y, weights, scaled=self.cfg.scaled).mean()
