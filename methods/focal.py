"""Focal loss (Lin et al., ICCV 2017; normalized: Ma et al., ICML 2020)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import focal_terms, normalized, pick


class Focal(Method):
    """Loss: -(1 - p_y)^gamma log p_y; `normalized` divides by the sum over all classes (NFL).

    Official settings: gamma = 0.5 in the noisy-label experiments of APL, SGD 0.01, weight decay 1e-4, 120
    epochs on CIFAR-10. That code takes no gradient through the factor: `detach_factor` = true.
    State: none. Needs: nothing. Cost: 1x. Deviations: none.
    """

    family = "robust loss"
    proof = "golden"

    class Config(Method.Config):
        gamma: float = Field(0.5, ge=0)
        normalized: bool = False
        detach_factor: bool = False

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        terms = focal_terms(logits.log_softmax(1), self.cfg.gamma, self.cfg.detach_factor)
        return (normalized(terms, batch.y) if self.cfg.normalized else pick(terms, batch.y)).mean()
