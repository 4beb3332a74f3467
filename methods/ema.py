"""Exponential moving average of the weights (Polyak & Juditsky, 1992; Tarvainen & Valpola, NeurIPS 2017)."""

from methods import Card, Search
from methods._ema import AveragedMethod


class EMA(AveragedMethod):
    """Loss: cross entropy. Prediction: with theta' <- d theta' + (1 - d) theta, averaged after each step.

    The decay warms up, d_n = min(d, 1 - (1 + n)^(-2/3)), so that runs of a few hundred steps average over their
    end only.
    """

    card = Card(
        title=(
            "Mean teachers are better role models: Weight-averaged consistency targets improve semi-supervised "
            "deep learning results"
        ),
        authors="Antti Tarvainen, Harri Valpola",
        venue="NeurIPS",
        year=2017,
        arxiv="1703.01780",
        code="https://github.com/CuriousAI/mean-teacher",
        family="control",
        search=(Search("decay", 0.9, 0.9999),),
        official="none for noisy labels; d = 0.999 is Mean Teacher's",
        state="a copy of the weights",
        deviations=(
            "buffers of batch normalization are averaged too; the decay warms up as 1 - (1 + n)^(-2/3), in Mean "
            "Teacher's code as 1 - 1 / (1 + n)"
        ),
        proof="worked example",
        equals_ce="the trained network is that of ce; its average, which predicts, is not",
    )
