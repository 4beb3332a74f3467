"""Active passive loss NCE + MAE (Ma et al., ICML 2020)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import nce, one_minus_p


class NCEMAE(Method):
    """Loss: alpha NCE + beta (1 - p_y), NCE = log p_y / sum_k log p_k.

    MAE is 1 - p_y here, half of that of `mae`.
    """

    card = Card(
        title="Normalized Loss Functions for Deep Learning with Noisy Labels",
        authors="Xingjun Ma, Hanxun Huang, Yisen Wang, Simone Romano, Sarah Erfani, James Bailey",
        venue="ICML",
        year=2020,
        arxiv="2006.13554",
        code="https://github.com/HanxunH/Active-Passive-Losses",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(
            Search("alpha", 0.2, 10.0, log=True),
            Search("beta", 0.2, 10.0, log=True),
        ),
        official=(
            "alpha = beta = 1 on CIFAR-10, 10 and 1 on CIFAR-100; SGD 0.01, weight decay 1e-4, 120 epochs, "
            "cosine, gradients clipped at 5"
        ),
        deviations="gradients are clipped where the suite does so",
        proof="golden",
    )

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0)
        beta: float = Field(1.0, ge=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        return (self.cfg.alpha * nce(log_p, batch.y) + self.cfg.beta * one_minus_p(log_p, batch.y)).mean()
