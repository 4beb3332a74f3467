"""CDR: robust early learning by hindering memorization (Xia et al., ICLR 2021)."""

import torch

from methods import Card, Field, Method, Phase, Search, Settings


class CDR(Method):
    """Only the critical weights follow the gradient; the others are left to weight decay, a part of the method.

    Critical are the (1 - tau) share of the weights with the largest |w * gradient|, tau the noise rate (or
    `forget_rate`, where that is set); their gradients are scaled by (1 - tau). Weights are the parameters of 2
    or 4 dimensions; biases and normalization follow their gradients unmasked.
    """

    version = 2
    card = Card(
        title="Robust Early-Learning: Hindering the Memorization of Noisy Labels",
        authors="Xiaobo Xia, Tongliang Liu, Bo Han, Chen Gong, Nannan Wang, Zongyuan Ge, Yi Chang",
        venue="ICLR",
        year=2021,
        page="https://openreview.net/forum?id=Eql5b1_hTE4",
        code="https://github.com/xiaoboxia/CDR",
        family="regularization",
        cost=1.1,
        cost_note="one k-th value over all weights per step",
        needs=("noise_rate",),
        phases=(Phase("train", epochs=200, steps=140_800),),
        search=(Search("forget_rate", 0.05, 0.7),),
        official="CIFAR-10, CIFAR-100: SGD 0.01, weight decay 1e-3, 200 epochs, tau = the noise rate",
        deviations=(
            "none of the paper; the schedule of the published code that is overwritten there, and so has no effect, is "
            "left out, and a second forward pass over each batch for a printed accuracy, which moves the running "
            "statistics of batch normalization twice a step"
        ),
        proof="golden",
        reproduction="paired: 6e-3 over 20 epochs; in float64: at most .000; run: +.010 ± .040 (version 2)",
        equals_ce="with a noise rate of 0 no gradient is masked",
    )

    class Config(Method.Config):
        weight_decay: float = Field(1e-3, ge=0, le=1, description="what shrinks the weights that are not critical")
        forget_rate: float | None = Field(None, ge=0, lt=1, description="tau; null: the noise rate")

    @classmethod
    def requires(cls, cfg: Settings) -> frozenset[str]:
        """The noise rate, unless the configuration states it."""
        given = isinstance(cfg, CDR.Config) and cfg.forget_rate is not None
        return frozenset() if given else frozenset(cls.card.needs)

    def build(self) -> None:
        self.net = self.kit.network("net")
        self.optimizer = self.kit.optimizer("net", self.net.parameters(), weight_decay=self.cfg.weight_decay)

    def before_step(self) -> None:
        """Scales the gradients of the critical weights and clears those of the others, in place."""
        tau = self.kit.hints.noise_rate if self.cfg.forget_rate is None else self.cfg.forget_rate
        weights = [p for p in self.net.parameters() if p.dim() in (2, 4) and p.grad is not None]
        importance = [(p.detach() * p.grad).abs() for p in weights if p.grad is not None]
        flat = torch.cat([values.flatten() for values in importance])
        count = max(1, int((1 - tau) * flat.numel()))
        threshold = flat.kthvalue(flat.numel() - count + 1).values
        for p, values in zip(weights, importance, strict=True):
            assert p.grad is not None
            p.grad.mul_((values >= threshold).to(p.grad.dtype) * (1 - tau))
