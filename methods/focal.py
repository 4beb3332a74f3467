"""Focal loss (Lin et al., ICCV 2017; normalized: Ma et al., ICML 2020)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import focal_terms, normalized, pick


class Focal(Method):
    """Loss: -(1 - p_y)^gamma log p_y; `normalized` divides by the sum over all classes (NFL).

    `detach_factor` takes no gradient through the factor (1 - p_y)^gamma, as the code of APL (Ma et al., ICML
    2020) does.
    """

    card = Card(
        title="Focal Loss for Dense Object Detection",
        authors="Tsung-Yi Lin, Priya Goyal, Ross Girshick, Kaiming He, Piotr Dollár",
        venue="ICCV",
        year=2017,
        arxiv="1708.02002",
        code="https://github.com/facebookresearch/Detectron",
        family="robust loss",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(Search("gamma", 0.1, 5.0, log=True),),
        official=(
            "gamma = 0.5 in the noisy-label experiments of APL (Ma et al., ICML 2020), SGD 0.01, weight decay "
            "1e-4, 120 epochs on CIFAR-10"
        ),
        deviations=(
            "of the softmax, as in APL, not of one sigmoid per class; the gradient goes through the factor "
            "(1 - p_y)^gamma, as in the paper (APL's code detaches it: `detach_factor`)"
        ),
        under_noise="near cross entropy",
        proof="golden",
    )

    class Config(Method.Config):
        gamma: float = Field(0.5, ge=0)
        normalized: bool = False
        detach_factor: bool = False

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        terms = focal_terms(logits.log_softmax(1), self.cfg.gamma, self.cfg.detach_factor)
        return (normalized(terms, batch.y) if self.cfg.normalized else pick(terms, batch.y)).mean()
