"""Flooding (Ishida et al., ICML 2020)."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Method


class Flooding(Method):
    """Loss: |CE - level| + level. Below `level` the gradient turns, so that the loss never reaches zero."""

    card = Card(
        title="Do We Need Zero Training Loss After Achieving Zero Training Error?",
        authors="Takashi Ishida, Ikko Yamane, Tomoya Sakai, Gang Niu, Masashi Sugiyama",
        venue="ICML",
        year=2020,
        arxiv="2002.08709",
        code="https://github.com/takashiishida/flooding",
        family="regularization",
        official="the level is chosen for each data set by validation",
        under_noise="regularizer",
        proof="closed form",
    )

    class Config(Method.Config):
        level: float = Field(0.1, ge=0, le=10)
        """The flood level b, in units of the loss."""

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return (F.cross_entropy(logits, batch.y) - self.cfg.level).abs() + self.cfg.level
