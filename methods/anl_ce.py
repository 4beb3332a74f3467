"""Active negative loss (Ye et al., NeurIPS 2023)."""

import math

from torch import Tensor

from methods import Batch, Field, Method
from methods._losses import focal_terms, normalized


class ANLCE(Method):
    """Loss: alpha NCE + beta NNCE + delta ||theta||_1, NNCE = 1 - (A + log p_y) / sum_k (A + log p_k).

    A = -log(min_prob), which floors p in NNCE. Official settings: 5, 5, 5e-5 on CIFAR-10, 10, 1, 5e-7 on
    CIFAR-100; SGD 0.01, no weight decay, 120 epochs, cosine, clip 5. gamma > 0: focal terms (ANL-FL: 0.5);
    `entropy`: of log K - H(mean p) (ER: 2). State: none. Needs: nothing. Cost: 1x. Deviations: none.
    """

    family = "robust loss"
    proof = "golden"

    class Config(Method.Config):
        alpha: float = Field(5.0, ge=0)
        beta: float = Field(5.0, ge=0)
        delta: float = Field(5e-5, ge=0)
        min_prob: float = Field(1e-7, gt=0, lt=0.1)
        gamma: float = Field(0.0, ge=0)
        detach_factor: bool = False
        entropy: float = Field(0.0, ge=0)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        cfg, log_p = self.cfg, logits.log_softmax(1)
        worst = -((1 - cfg.min_prob) ** cfg.gamma) * math.log(cfg.min_prob)
        terms = focal_terms(log_p, cfg.gamma, cfg.detach_factor)
        negative = 1 - normalized(worst - terms.clamp(max=worst), batch.y)
        loss = (cfg.alpha * normalized(terms, batch.y) + cfg.beta * negative).mean()
        mean = log_p.logsumexp(0) - math.log(len(log_p))
        balance = math.log(len(mean)) + (mean.exp() * mean).sum()
        return loss + cfg.delta * sum(w.abs().sum() for w in self.net.parameters()) + cfg.entropy * balance
