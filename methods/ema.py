"""Exponential moving average of the weights (Polyak & Juditsky, 1992; Tarvainen & Valpola, NeurIPS 2017)."""

from methods._ema import AveragedMethod


class EMA(AveragedMethod):
    """Loss: cross entropy. Prediction: with theta' <- d theta' + (1 - d) theta, averaged after each step.

    Official settings: none for noisy labels; d = 0.999 is Mean Teacher's, with a warm-up
    d_n = min(d, 1 - (1 + n)^(-2/3)), so that runs of a few hundred steps average over their end only.
    State: a copy of the weights. Needs: nothing. Cost: 1x. Deviations: buffers of batch normalization are
    averaged too.
    """

    family = "control"
    proof = "worked example"
    equals_ce = "the trained network is that of ce; its average, which predicts, is not"
