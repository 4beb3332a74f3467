"""Active negative loss (Ye et al., NeurIPS 2023)."""

import math

from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search
from methods._losses import focal_terms, normalized


class ANLCE(Method):
    """Loss: alpha NCE + beta NNCE + delta ||theta||_1, NNCE = 1 - (A + log p_y) / sum_k (A + log p_k).

    A = -log(min_prob), which floors p in NNCE. gamma > 0 takes focal terms (ANL-FL); `entropy` is the weight of
    log K - H(mean p), which spreads predictions over the classes (ER). The L1 term takes the place of weight decay.
    """

    version = 2
    card = Card(
        title="Active Negative Loss Functions for Learning with Noisy Labels",
        authors="Xichen Ye, Xiaoqiang Li, Songmin Dai, Tong Liu, Yan Sun, Weiqin Tong",
        venue="NeurIPS",
        year=2023,
        page=(
            "https://papers.nips.cc/paper_files/paper/2023/hash/"
            "15f4cefb0e143c7ad9d40e879b0a9d0c-Abstract-Conference.html"
        ),
        code="https://github.com/Virusdoll/Active-Negative-Loss",
        family="robust loss",
        cost=1.1,
        cost_note="the sum of all absolute weights",
        phases=(Phase("train", epochs=120, steps=46_920),),
        search=(
            Search("alpha", 0.5, 20.0, log=True),
            Search("beta", 0.5, 20.0, log=True),
            Search("delta", 1e-07, 0.001, log=True),
        ),
        official=(
            "alpha, beta, delta = 5, 5, 5e-5 on CIFAR-10, 10, 1, 5e-7 on CIFAR-100; SGD 0.01, no weight decay, "
            "120 epochs, cosine, gradients clipped at 5; ANL-FL: gamma = 0.5; ER: entropy = 2"
        ),
        deviations="gradients are clipped where the suite does so",
        proof="golden",
    )

    class Config(Method.Config):
        alpha: float = Field(5.0, ge=0)
        beta: float = Field(5.0, ge=0)
        delta: float = Field(5e-5, ge=0)
        min_prob: float = Field(1e-7, gt=0, lt=0.1)
        gamma: float = Field(0.0, ge=0)
        detach_factor: bool = False
        entropy: float = Field(0.0, ge=0)
        weight_decay: float = Field(0.0, ge=0, le=1, description="of the optimizer, instead of the suite's")

    def build(self) -> None:
        self.net = self.kit.network("net")
        self.optimizer = self.kit.optimizer("net", self.net.parameters(), weight_decay=self.cfg.weight_decay)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        cfg, log_p = self.cfg, logits.log_softmax(1)
        worst = -((1 - cfg.min_prob) ** cfg.gamma) * math.log(cfg.min_prob)
        terms = focal_terms(log_p, cfg.gamma, cfg.detach_factor)
        negative = 1 - normalized(worst - terms.clamp(max=worst), batch.y)
        loss = (cfg.alpha * normalized(terms, batch.y) + cfg.beta * negative).mean()
        mean = log_p.logsumexp(0) - math.log(len(log_p))
        balance = math.log(len(mean)) + (mean.exp() * mean).sum()
        return loss + cfg.delta * sum(w.abs().sum() for w in self.net.parameters()) + cfg.entropy * balance
