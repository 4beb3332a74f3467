"""Bi-tempered logistic loss (Amid et al., NeurIPS 2019)."""

from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Method, Search
from methods._losses import tempered_log, tempered_softmax


class BiTempered(Method):
    """Loss: sum_k y_k (log_t1 y_k - log_t1 p_k) - (y_k^(2-t1) - p_k^(2-t1)) / (2 - t1), p = exp_t2(z - c(z)).

    log_t(x) = (x^(1-t) - 1) / (1 - t) and its inverse exp_t: t1 < 1 bounds the loss, t2 > 1 makes the tail of
    the softmax heavy; c(z) makes p sum to 1.
    """

    card = Card(
        title="Robust Bi-Tempered Logistic Loss Based on Bregman Divergences",
        authors="Ehsan Amid, Manfred K. Warmuth, Rohan Anil, Tomer Koren",
        venue="NeurIPS",
        year=2019,
        arxiv="1906.03361",
        code="https://github.com/google/bi-tempered-loss",
        family="robust loss",
        search=(
            Search("t1", 0.2, 0.95),
            Search("t2", 1.05, 4.0, log=True),
        ),
        official="t1 = 0.8, t2 = 1.2 (CIFAR-100), 5 fixed-point steps for c(z)",
        deviations=(
            "c(z) is iterated to convergence; the official 5 steps, which are not converged, are `iterations` = 5"
        ),
        proof="golden",
    )

    class Config(Method.Config):
        t1: float = Field(0.8, ge=0, lt=1)
        t2: float = Field(1.2, ge=1.01, le=10)
        smoothing: float = Field(0.0, ge=0, lt=1)
        iterations: int = Field(20, ge=1)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        t1, classes = self.cfg.t1, logits.shape[1]
        p = tempered_softmax(logits, self.cfg.t2, self.cfg.iterations)
        y = F.one_hot(batch.y, classes).to(p.dtype)
        y = (1 - self.cfg.smoothing * classes / (classes - 1)) * y + self.cfg.smoothing / (classes - 1)
        difference = y * (tempered_log(y + 1e-10, t1) - tempered_log(p, t1))
        return (difference - (y ** (2 - t1) - p ** (2 - t1)) / (2 - t1)).sum(1).mean()
