"""Mean absolute error (Ghosh et al., AAAI 2017)."""

from torch import Tensor

from methods import Batch, Card, Field, Method
from methods._losses import one_minus_p


class MAE(Method):
    """Loss: sum_k |p_k - [k = y]| = 2 (1 - p_y). Robust to symmetric noise; underfits with many classes.

    `scale` replaces the 2: 1 in the code of APL (Ma et al., ICML 2020), and 1 / (K - 1) is the normalized form.
    """

    card = Card(
        title="Robust Loss Functions under Label Noise for Deep Neural Networks",
        authors="Aritra Ghosh, Himanshu Kumar, P. S. Sastry",
        venue="AAAI",
        year=2017,
        arxiv="1712.09482",
        family="robust loss",
        official="none that carry over",
        deviations="none",
        proof="golden",
    )

    class Config(Method.Config):
        scale: float = Field(2.0, gt=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return self.cfg.scale * one_minus_p(logits.log_softmax(1), batch.y).mean()
