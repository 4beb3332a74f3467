"""JoCoR: joint training with co-regularization (Wei et al., CVPR 2020)."""

from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Phase, Search
from methods._divergence import kl
from methods._selection import PeerMethod, as_mask, num_kept, smallest


class JoCoR(PeerMethod):
    """Two networks under one loss: (1 - lambda) (CE_1 + CE_2) + lambda (KL(p_1||p_2) + KL(p_2||p_1)).

    Both are trained on the (1 - R(t)) share of the batch with the smallest joint loss,
    R(t) = tau * min(t / (T_k - 1), 1). Predicts with the first network.
    """

    version = 2
    card = Card(
        title="Combating Noisy Labels by Agreement: A Joint Training Method with Co-Regularization",
        authors="Hongxin Wei, Lei Feng, Xiangyu Chen, Bo An",
        venue="CVPR",
        year=2020,
        arxiv="2003.02752",
        code="https://github.com/hongxin001/JoCoR",
        family="sample selection",
        cost=2,
        cost_note="two networks",
        needs=("noise_rate",),
        phases=(Phase("ramp", epochs=10, steps=3900), Phase("select", epochs=190, steps=74_100)),
        search=(
            Search("forget_rate", 0.05, 0.7),
            Search("co_lambda", 0.5, 0.99),
        ),
        official="lambda = 0.9 on CIFAR-10 (0.85 on CIFAR-100), T_k = 10 of 200 epochs, Adam 1e-3, batch 128",
        deviations=(
            "R starts at 0, while the code counts epochs from 1 and so starts at tau / (T_k - 1); a last, smaller "
            "batch is trained on; at least one sample is kept"
        ),
        proof="golden",
        reproduction="paired: 5e-3 over 20 epochs; in float64: at most .000; run: +.018 ± .032 (version 2)",
    )

    class Config(PeerMethod.Config):
        co_lambda: float = Field(0.9, ge=0, le=1)

    def joint(self, logits: Tensor, logits2: Tensor, y: Tensor) -> Tensor:
        """Joint loss per sample [B], of logits [B, K] and labels [B]."""
        log_p, log_q = logits.log_softmax(1), logits2.log_softmax(1)
        supervised = F.nll_loss(log_p, y, reduction="none") + F.nll_loss(log_q, y, reduction="none")
        agreement = kl(log_p, log_q) + kl(log_q, log_p)
        return (1 - self.cfg.co_lambda) * supervised + self.cfg.co_lambda * agreement

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logits, logits2 = self.net(batch.x[0]), self.net2(batch.x[0])
        each = self.joint(logits, logits2, batch.y)
        kept = smallest(each, num_kept(len(each), self.forget))
        self.kit.report(batch.index, kept=as_mask(kept, len(each)), score=-each.detach())
        return self.descend(each[kept].mean(), logits, batch)

    def optimizers(self) -> tuple[Optimizer, ...]:
        return self.optimizer, self.optimizer2
