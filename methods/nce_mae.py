"""Active passive loss NCE + MAE (Ma et al., ICML 2020)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import nce, one_minus_p


class NCEMAE(Method):
    """Loss: alpha NCE + beta (1 - p_y), NCE = log p_y / sum_k log p_k.

    Official settings: alpha = beta = 1 on CIFAR-10, 10 and 1 on CIFAR-100; SGD 0.01, weight decay 1e-4, 120
    epochs, cosine, gradients clipped at 5.
    State: none. Needs: nothing. Cost: 1x. Deviations: none; MAE is 1 - p_y here, half of that of `mae`.
    """

    family = "robust loss"
    proof = "golden"

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0)
        beta: float = Field(1.0, ge=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        return (self.cfg.alpha * nce(log_p, batch.y) + self.cfg.beta * one_minus_p(log_p, batch.y)).mean()
