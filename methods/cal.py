"""CAL: covariance-assisted learning (Zhu et al., CVPR 2021)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._losses import pick, stable_nll
from methods._mixup import one_hot
from methods._selection import report_all

EPS_BASE, EPS_PEER = 1e-8, 1e-5


class CAL(Method):
    """Peer loss less the covariance of label flips and losses, which instance-dependent noise adds to it.

    First step: CE - alpha_1 E_k[l_k], k drawn from the noisy labels (the loss of CORES), then a sieve: a
    label with CE - mean_k l_k <= -8 is right, any other is replaced by the prediction. Second step, with a
    fresh network and d_n the sieved label:
        L = CE - alpha_2 E_k[l_k] - sum_i P(d = i) sum_j Cov(1{y = j}, l_j | d = i),
    the covariance over the batch, around the frequencies of y given d and the mean losses of the last epoch.
    The learning rate is divided by 1 + alpha.
    """

    version = 2
    card = Card(
        title="A Second-Order Approach to Learning with Instance-Dependent Label Noise",
        authors="Zhaowei Zhu, Tongliang Liu, Yang Liu",
        venue="CVPR",
        year=2021,
        arxiv="2012.11854",
        code="https://github.com/UCSC-REAL/CAL",
        family="loss correction",
        phases=(Phase("peer", epochs=65, steps=25_415), Phase("covariance", epochs=100, steps=39_100)),
        search=(
            Search("alpha_first", 0.5, 4.0, log=True),
            Search("alpha_second", 0.25, 2.0, log=True),
            Search("bound", -12.0, -2.0),
        ),
        official=(
            "CIFAR-10: sieve after 65 epochs, then 100; alpha_1 rises from 0 at epoch 10 to 2 at 40, alpha_2 to "
            "1 likewise; l has 1e-8 (CE) and 1e-5 (the others) inside the logarithm, SGD 0.1, weight decay 5e-4, "
            "divided by 10 at 60 and by 1 + alpha"
        ),
        state="[N] sieved labels, three [K, K]",
        deviations=(
            "both steps share the run's epochs, where the official code runs twice; the first step weighs "
            "classes by their noisy frequency (its square root in the code; on CIFAR-100 both steps have ten times "
            "that); the sieve uses plain predictions after the last epoch, in the code those made while training"
        ),
        fidelity="paper form; both steps within the run's epochs",
        proof="worked example",
        reproduction="paired: 3e-3 over 23 epochs; run: +.016 ± .018 (version 2)",
    )

    prior: Tensor
    sieved: Tensor
    share: Tensor
    flips: Tensor
    mean_loss: Tensor
    loss_sum: Tensor

    class Config(Method.Config):
        sieve: float | None = Field(
            None, gt=0, lt=1, description="end of the first step, fraction of the epochs; null: by the schedule rule"
        )
        alpha_first: float = Field(2.0, ge=0)
        alpha_second: float = Field(1.0, ge=0)
        bound: float = Field(-8.0, le=0, description="CE - mean loss up to which a label is right")

    def build(self) -> None:
        super().build()
        n, k, device = self.kit.num_samples, self.kit.num_classes, self.kit.device
        self.register_buffer("prior", torch.full((k,), 1 / k, device=device))
        self.register_buffer("sieved", torch.zeros(n, dtype=torch.int64, device=device))
        self.register_buffer("share", torch.full((k,), 1 / k, device=device))
        for name in ("flips", "mean_loss", "loss_sum"):
            self.register_buffer(name, torch.zeros(k, k, device=device))

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.sieve)

    def alpha(self, epoch: int) -> float:
        """Weight of the peer term: 0 for a tenth of the step's epochs, at its end after four."""
        (start,) = self.starts()
        first = epoch < start
        done, length = (epoch, start / 0.65) if first else (epoch - start, self.kit.epochs - start)
        final = self.cfg.alpha_first if first else self.cfg.alpha_second
        return final * min(max((done / max(length, 1) - 0.1) / 0.3, 0.0), 1.0)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch == 0:
            self.prior.copy_(torch.bincount(data.y, minlength=self.kit.num_classes) / len(data))
        if self.phase(epoch) == "covariance":
            if self.phase(epoch - 1) == "peer":
                self.adopt(self.sieve(data.scan(self.net), data.y), data.y)
                self.net.load_state_dict(self.kit.network("second step").state_dict())
                self.kit.reset("net")
            else:
                members = self.share[:, None] * len(data)
                self.mean_loss.copy_(self.loss_sum / members.clamp(min=1))
            self.loss_sum.zero_()
            report_all(self.kit, kept=self.sieved == data.y, label=self.sieved)
        self.kit.slow_down("net", self.alpha(epoch))
        return data.batches()

    def sieve(self, logits: Tensor, y: Tensor) -> Tensor:
        """[N] labels that pass, and predictions instead of the others."""
        losses = stable_nll(logits, EPS_BASE)
        return torch.where(pick(losses, y) - losses.mean(1) <= self.cfg.bound, y, logits.argmax(1))

    def adopt(self, sieved: Tensor, y: Tensor) -> None:
        """Takes the labels `sieved` [N] for clean and counts the flips to the noisy `y` [N]."""
        k = self.kit.num_classes
        self.sieved.copy_(sieved)
        counts = torch.bincount(sieved * k + y, minlength=k * k).reshape(k, k).to(self.flips.dtype)
        members = counts.sum(1, keepdim=True)
        self.flips.copy_(counts / members.clamp(min=1))
        self.share.copy_(members.squeeze(1) / len(y))

    def covariance(self, losses: Tensor, batch: Batch) -> Tensor:
        """sum_i P(i) sum_j Cov(1{y = j}, l_j | i) over the batch, of the losses [B, K]."""
        clean = self.sieved[batch.index]
        groups = one_hot(clean, losses.shape[1], losses.dtype)
        flip = one_hot(batch.y, losses.shape[1], losses.dtype) - self.flips[clean].to(losses.dtype)
        product = (flip * (losses - self.mean_loss[clean].to(losses.dtype))).sum(1)
        per_class = (groups.T @ product) / groups.sum(0).clamp(min=1)
        self.loss_sum += (groups.T @ losses.detach()).to(self.loss_sum.dtype)
        return (per_class * self.share.to(losses.dtype)).sum()

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        losses = stable_nll(logits, EPS_PEER)
        base = pick(stable_nll(logits, EPS_BASE), batch.y).mean()
        loss = base - self.alpha(self.epoch) * (losses @ self.prior.to(losses.dtype)).mean()
        if self.phase(self.epoch) == "covariance":
            loss = loss - self.covariance(losses, batch)
        return loss
