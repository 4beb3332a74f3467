"""Mixup with a moving average of the weights: the strongest of the cheap controls."""

from methods import Field
from methods._ema import AveragedMethod
from methods.mixup import Mixup


class MixupEMA(AveragedMethod, Mixup):
    """Loss: that of `mixup` (Zhang et al., ICLR 2018). Prediction: as in `ema`, with averaged weights.

    Official settings: mixup alpha = 1 on CIFAR-10; decay 0.999 with warm-up, see `ema`.
    State: a copy of the weights. Needs: nothing. Cost: 1x. Deviations: none.
    """

    family = "control"
    proof = "worked example"

    class Config(AveragedMethod.Config):
        alpha: float = Field(1.0, ge=0.01, le=100)
