"""Label smoothing (Szegedy et al., CVPR 2016; with noisy labels: Lukasik et al., ICML 2020)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Search
from methods._losses import label_and_uniform


class LabelSmoothing(Method):
    """Loss: cross entropy with the target (1 - epsilon) e_y + epsilon / K.

    The control beside `batch_flip`: flipping a share rho of each batch has the expected gradient of
    epsilon = rho K / (K - 1).
    """

    card = Card(
        title="Rethinking the Inception Architecture for Computer Vision",
        authors="Christian Szegedy, Vincent Vanhoucke, Sergey Ioffe, Jonathon Shlens, Zbigniew Wojna",
        venue="CVPR",
        year=2016,
        arxiv="1512.00567",
        family="control",
        search=(Search("epsilon", 0.02, 0.6, log=True),),
        official="epsilon = 0.1 (ImageNet)",
        deviations="none",
        under_noise="regularizer",
        proof="golden",
    )

    class Config(Method.Config):
        epsilon: float = Field(0.1, ge=0, le=1)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        label, uniform = label_and_uniform(logits.log_softmax(1), batch.y)
        return ((1 - self.cfg.epsilon) * label + self.cfg.epsilon * uniform).mean()
