"""Asymmetric exponential loss (Zhou et al., ICML 2021)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import nce, pick


class AEL(Method):
    """Loss: beta exp(-p_y / a), plus alpha NCE where alpha > 0."""

    card = Card(
        title="Asymmetric Loss Functions for Learning with Noisy Labels",
        authors="Xiong Zhou, Xianming Liu, Junjun Jiang, Xin Gao, Xiangyang Ji",
        venue="ICML",
        year=2021,
        arxiv="2106.03110",
        code="https://github.com/hitcszx/ALFs",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(Search("a", 0.5, 10.0, log=True),),
        official=(
            "a = 2.5 alone, and NCE + AEL with alpha = 1, beta = 4, a = 5 on CIFAR-10 (10, 0.1, 1.5 on "
            "CIFAR-100); SGD 0.01, weight decay 1e-4, 120 epochs, cosine, "
            "gradients clipped at 5"
        ),
        deviations="gradients are clipped where the suite does so",
        proof="golden",
    )

    class Config(Method.Config):
        a: float = Field(2.5, gt=0)
        alpha: float = Field(0.0, ge=0, description="weight of the active loss NCE")
        beta: float = Field(1.0, ge=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        log_p = logits.log_softmax(1)
        passive = (-pick(log_p, batch.y).exp() / self.cfg.a).exp()
        return (self.cfg.alpha * nce(log_p, batch.y) + self.cfg.beta * passive).mean()
