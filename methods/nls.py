"""Negative label smoothing (Wei et al., ICML 2022)."""

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import label_and_uniform


class NLS(Method):
    """Loss: (1 - s) (-log p_y) + s mean_k(-log p_k), with s < 0 once the warm-up on cross entropy is over.

    The loss has no lower bound for s < 0.
    """

    version = 2
    card = Card(
        title="To Smooth or Not? When Label Smoothing Meets Noisy Labels",
        authors="Jiaheng Wei, Hangyu Liu, Tongliang Liu, Gang Niu, Masashi Sugiyama, Yang Liu",
        venue="ICML",
        year=2022,
        arxiv="2106.04149",
        code="https://github.com/UCSC-REAL/negative-label-smoothing",
        family="robust loss",
        phases=(Phase("warmup", epochs=120, steps=46_920, plain=True), Phase("smooth", epochs=100, steps=39_100)),
        search=(Search("smooth_rate", -4.0, 0.8),),
        official=(
            "s tuned per noise rate over [-8, 0.8] on CIFAR-10, SGD 0.1, weight decay 1e-4, 200 epochs; at high "
            "noise 100 epochs after 120 with cross entropy, at learning rate 1e-6"
        ),
        deviations=(
            "one s for all rates; the warm-up is a part of the same run, whose last epoch goes on (in the code "
            "the best on test), with the suite's learning rate"
        ),
        fidelity="documented deviation: one smooth rate, warm-up within the run",
        under_noise="starts late",
        proof="golden",
    )

    class Config(Method.Config):
        smooth_rate: float = Field(-0.4, ge=-10, le=1, description="s: weight of the uniform target")
        warmup: float | None = Field(
            None, ge=0, le=1, description="cross entropy first, fraction of the epochs; null: by the schedule rule"
        )

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.warmup)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        rate = self.cfg.smooth_rate if self.phase(self.epoch) == "smooth" else 0.0
        label, uniform = label_and_uniform(logits.log_softmax(1), batch.y)
        return ((1 - rate) * label + rate * uniform).mean()
