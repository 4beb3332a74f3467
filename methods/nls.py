"""Negative label smoothing (Wei et al., ICML 2022)."""

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import label_and_uniform


class NLS(Method):
    """Loss: (1 - s) (-log p_y) + s mean_k(-log p_k), with s < 0 once the warm-up on cross entropy is over.

    Official settings: s tuned per noise rate over [-8, 0.8] on CIFAR-10, SGD 0.1, weight decay 1e-4, 200
    epochs; at high noise after training with cross entropy, at learning rate 1e-6.
    State: none. Needs: nothing. Cost: 1x. Deviations: one s for all rates, and the warm-up is the first half
    of the same run, with the suite's learning rate. The loss has no lower bound for s < 0.
    """

    family = "robust loss"
    proof = "golden"
    fidelity = "documented deviation: one smooth rate, warm-up within the run"
    phases = ("warmup", "smooth")

    class Config(Method.Config):
        smooth_rate: float = Field(-0.4, ge=-10, le=1, description="s: weight of the uniform target")
        warmup: float = Field(0.5, ge=0, le=1, description="cross entropy first, fraction of the epochs")

    def phase(self, epoch: int) -> str:
        return self.phases[self.cfg.warmup == 0 or epoch >= self.kit.schedule(self.cfg.warmup)]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        rate = self.cfg.smooth_rate if self.phase(self.epoch) == "smooth" else 0.0
        label, uniform = label_and_uniform(logits.log_softmax(1), batch.y)
        return ((1 - rate) * label + rate * uniform).mean()
