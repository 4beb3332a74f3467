"""Flooding (Ishida et al., ICML 2020)."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Field, Method


class Flooding(Method):
    """Loss: |CE - level| + level: the training loss floats above `level` instead of reaching zero.

    Official settings: the level is searched in [0, 0.2]. State: none. Needs: nothing. Cost: 1x.
    Deviations: none.
    """

    family = "regularization"
    proof = "closed form"

    class Config(Method.Config):
        level: float = Field(0.1, ge=0, le=10)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return (F.cross_entropy(logits, batch.y) - self.cfg.level).abs() + self.cfg.level
