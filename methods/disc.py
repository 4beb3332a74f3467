"""DISC: dynamic instance-specific selection and correction (Li et al., CVPR 2023)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Memory, Method, Phase, Search, TrainSet
from methods._losses import pick
from methods._mixup import beta_weight, mix, one_hot
from methods._selection import masked_mean, report_all


class DISC(Method):
    """Splits the samples by thresholds of their own: the moving average of their largest probability.

    Two views, p^1 and p^2 from the last epoch; view v accepts a label if p^v_y > t^v_i. Accepted by both:
    clean; by one: hard; by none but with a largest mean probability above min(mean t_i + sigma, 0.99):
    corrected to that class. Then t^v <- m t^v + (1 - m) max p^v. After a warm-up of cross entropy on both
    views, L = CE on clean + GCE (q = 0.7) on hard samples, both summed over views and divided by the batch
    size, + mixup of all three sets with their labels, in each view.
    """

    version = 3
    card = Card(
        title="DISC: Learning from Noisy Labels via Dynamic Instance-Specific Selection and Correction",
        authors="Yifan Li, Hu Han, Shiguang Shan, Xilin Chen",
        venue="CVPR",
        year=2023,
        page=(
            "https://openaccess.thecvf.com/content/CVPR2023/papers/"
            "Li_DISC_Learning_From_Noisy_Labels_via_Dynamic_Instance-Specific_Selection_and_CVPR_2023_paper.pdf"
        ),
        code="https://github.com/JackYFL/DISC",
        family="semi-supervised",
        cost=4,
        cost_note="two views, each also mixed",
        phases=(Phase("warm-up", epochs=20, steps=7820, plain=True), Phase("select", epochs=180, steps=70_380)),
        memories=(Memory("momentum", decay=0.99, per="epoch"),),
        search=(
            Search("sigma", 0.2, 0.8),
            Search("hard_weight", 0.25, 4.0, log=True),
            Search("alpha", 0.5, 10.0, log=True),
        ),
        official=(
            "CIFAR-10, CIFAR-100: 200 epochs, start 20 (15 with instance noise), m = 0.99 (0.95 asymmetric, or "
            "at 60 % and more), sigma = 0.5, cap 0.99 (0.9 in the first version of the code), mixup alpha = "
            "5, hard weight 1 (0.2 at 60 % and more); SGD 0.1, weight decay 1e-3"
        ),
        state="[2, N, K] predictions, [2, N] thresholds, [N] sets and labels",
        deviations=(
            "both views have the suite's augmentation (the second is RandAugment officially); mixup pairs the members "
            "by a random cycle within whole batches, so that nothing waits for the device, and batch normalization "
            "sees the other samples of the batch too"
        ),
        fidelity="documented deviation: equal augmentation in both views",
        proof="golden",
        reproduction="paired: 7e-3 over 20 epochs; run: +.006 ± .014 (version 3)",
    )

    probabilities: Tensor
    threshold: Tensor
    clean: Tensor
    hard: Tensor
    corrected: Tensor
    label: Tensor

    class Config(Method.Config):
        start: float | None = Field(
            None, gt=0, lt=1, description="end of the warm-up, fraction; null: by the schedule rule"
        )
        momentum: float | None = Field(None, ge=0, lt=1, description="m; null: by the schedule rule")
        sigma: float = Field(0.5, ge=0, le=1)
        cap: float = Field(0.99, gt=0, le=1, description="largest bar of a correction")
        hard_weight: float = Field(1.0, ge=0)
        q: float = Field(0.7, gt=0, le=1)
        alpha: float = Field(5.0, gt=0)

    def build(self) -> None:
        super().build()
        n, k, device = self.kit.num_samples, self.kit.num_classes, self.kit.device
        self.register_buffer("probabilities", torch.zeros(2, n, k, device=device))
        self.register_buffer("threshold", torch.full((2, n), 1 / n, device=device))
        for name in ("clean", "hard", "corrected"):
            self.register_buffer(name, torch.zeros(n, dtype=torch.bool, device=device))
        self.register_buffer("label", torch.zeros(n, dtype=torch.int64, device=device))

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.start)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch > 0:
            self.divide(data.y)
        if self.phase(epoch) == "select":
            report_all(self.kit, kept=self.clean | self.hard, label=self.label)
        return data.batches(views=2)

    def divide(self, y: Tensor) -> None:
        """Forms the sets by the last epoch's predictions for labels `y` [N], then moves the thresholds."""
        given = self.probabilities.gather(2, y.expand(2, -1)[..., None]).squeeze(2)
        accepted = given > self.threshold
        self.clean.copy_(accepted.all(0))
        self.hard.copy_(accepted[0] ^ accepted[1])
        top, best = self.probabilities.mean(0).max(1)
        bar = (self.threshold.mean(0) + self.cfg.sigma).clamp(max=self.cfg.cap)
        self.corrected.copy_((top > bar) & ~accepted.any(0))
        self.label.copy_(torch.where(self.corrected, best, y))
        m = self.schedule.decay("momentum", self.cfg.momentum)
        self.threshold.mul_(m).add_((1 - m) * self.probabilities.amax(2))

    def supervised(self, logits: Tensor, batch: Batch) -> Tensor:
        """CE on clean and GCE on hard samples, of the logits [2, B, K] of both views."""
        log_p = logits.log_softmax(2)
        given = torch.stack([pick(view, batch.y) for view in log_p])
        if self.phase(self.epoch) == "warm-up":
            return -given.mean(1).sum()
        clean, hard = (flags[batch.index].to(given.dtype) for flags in (self.clean, self.hard))
        robust = -torch.expm1(self.cfg.q * given) / self.cfg.q
        return (clean * -given + self.cfg.hard_weight * hard * robust).mean(1).sum()

    def mixed(self, x: Tensor, batch: Batch) -> Tensor:
        """Mixup among the accepted and corrected samples of one view `x` [B, ...]; 0 where there are none."""
        members = (self.clean | self.hard | self.corrected)[batch.index]
        partner = partners(members)
        weight = beta_weight(self.cfg.alpha)
        weight = torch.maximum(weight, 1 - weight)
        logits = self.net(mix(x, x[partner], weight))
        labels = one_hot(self.label[batch.index], self.kit.num_classes, logits.dtype)
        targets = mix(labels, labels[partner], weight)
        return masked_mean(F.cross_entropy(logits, targets, reduction="none"), members)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        logits = torch.stack(self.net(torch.cat([*batch.x])).chunk(2))
        loss = self.supervised(logits, batch)
        if self.phase(self.epoch) == "select":
            loss = loss + self.mixed(batch.x[0], batch) + self.mixed(batch.x[1], batch)
        self.probabilities[:, batch.index] = logits.detach().softmax(2).to(self.probabilities.dtype)
        return self.descend(loss, logits[0], batch)


def partners(members: Tensor) -> Tensor:
    """[B] position of each row's partner: a random cycle through the members, itself for the others."""
    size = len(members)
    order = (torch.rand(size, device=members.device) + ~members).argsort()
    rank = torch.arange(size, device=members.device)
    count = members.sum()
    following = torch.where(rank + 1 < count, rank + 1, 0)
    partner = torch.empty_like(order)
    partner[order] = torch.where(rank < count, order[following], order)
    return partner
