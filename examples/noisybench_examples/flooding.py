"""Flooding (Ishida et al., ICML 2020)."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Field, Method


class Flooding(Method):
    """Loss: |CE - level| + level. Below `level` the sign of the gradient turns, so the loss never reaches zero.

    Official settings: the level is chosen for each data set by validation.
    State: none. Needs: nothing. Cost: 1x. Deviations: none; CE is the mean over the batch, as in the paper.
    """

    family = "regularization"
    proof = "closed form"

    class Config(Method.Config):
        level: float = Field(0.1, ge=0, le=10)
        """The flood level b, in units of the loss."""

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return (F.cross_entropy(logits, batch.y) - self.cfg.level).abs() + self.cfg.level
