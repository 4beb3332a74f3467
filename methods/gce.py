"""Generalized cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import normalized, pick, power_loss


class GCE(Method):
    """Loss: (1 - p_y^q) / q, between cross entropy (q -> 0) and mean absolute error (q = 1).

    Official settings: q = 0.7 on CIFAR-10 and CIFAR-100, SGD 0.01, weight decay 1e-4, 120 epochs divided by
    10 at 40 and 80. `normalized` divides by the sum over all classes (NGCE; Ma et al., ICML 2020).
    State: none. Needs: nothing. Cost: 1x. Deviations: computed in log space, so sure mistakes keep the
    gradient that the official clamp at 1e-7 takes away. `gce_truncated` is the paper's second form.
    """

    family = "robust loss"
    proof = "golden"

    class Config(Method.Config):
        q: float = Field(0.7, gt=0, le=1)
        normalized: bool = False

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        terms = power_loss(logits.log_softmax(1), self.cfg.q)
        return (normalized(terms, batch.y) if self.cfg.normalized else pick(terms, batch.y)).mean()
