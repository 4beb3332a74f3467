"""Mixup with a moving average of the weights: the strongest of the cheap controls."""

from methods import Card, Field, Phase, Search
from methods._ema import AveragedMethod
from methods.mixup import Mixup


class MixupEMA(AveragedMethod, Mixup):
    """Loss: that of `mixup` (Zhang et al., ICLR 2018). Prediction: as in `ema`, with averaged weights."""

    card = Card(
        title="mixup: Beyond Empirical Risk Minimization",
        authors="Hongyi Zhang, Moustapha Cisse, Yann N. Dauphin, David Lopez-Paz",
        venue="ICLR",
        year=2018,
        arxiv="1710.09412",
        code="https://github.com/facebookresearch/mixup-cifar10",
        family="control",
        phases=(Phase("train", epochs=200, steps=78_200),),
        search=(
            Search("alpha", 0.1, 8.0, log=True),
            Search("decay", 0.9, 0.9999),
        ),
        official="mixup alpha = 1 on CIFAR-10; decay 0.999 with warm-up, see `ema`",
        state="a copy of the weights",
        deviations="the weights are averaged, as in `ema` and with its deviations",
        proof="worked example",
    )

    class Config(AveragedMethod.Config):
        alpha: float = Field(1.0, ge=0.01, le=100)
