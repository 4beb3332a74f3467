"""Joint optimization of network and labels (Tanaka et al., CVPR 2018)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._history import PredictionWindow
from methods._losses import pick
from methods._mixup import one_hot, soft_cross_entropy
from methods._options import ordered
from methods._selection import report_all


class JointOptimization(Method):
    """Trains on pseudo labels s that become the mean prediction of the last epochs, then anew on the result.

    First step: L = -mean s log p + alpha KL(prior || mean p) + beta H(p), H the mean entropy of the
    predictions; from `begin` on, s_i is the mean of the predictions for i in the last `window` epochs.
    Second step: a fresh network is trained by cross entropy with the final s.
    """

    version = 2
    card = Card(
        title="Joint Optimization Framework for Learning with Noisy Labels",
        authors="Daiki Tanaka, Daiki Ikami, Toshihiko Yamasaki, Kiyoharu Aizawa",
        venue="CVPR",
        year=2018,
        arxiv="1803.11364",
        code="https://github.com/DaikiTanaka-UT/JointOptimization",
        family="label refurbishment",
        phases=(
            Phase("given labels", epochs=70, steps=24_640),
            Phase("pseudo labels", epochs=130, steps=45_760),
            Phase("retrain", epochs=120, steps=42_240),
        ),
        search=(
            Search("alpha", 0.3, 4.0, log=True),
            Search("beta", 0.1, 2.0, log=True),
        ),
        official=(
            "CIFAR-10: alpha = 1.2, beta = 0.8, 200 + 120 epochs, labels move from epoch 70, window 10 epochs, "
            "SGD with a constant high rate in the first step (0.1), 0.2 divided by 10 in the second"
        ),
        state="[N, K] labels and [W, N, K] predictions",
        deviations=(
            "both steps share the run's epochs; one alpha and beta for all noise, those of the paper's symmetric "
            "noise (1.0 and 0.5 by default of the code); the first step follows the suite's schedule; the prior is the "
            "frequency of the noisy labels (uniform in the published code, as CIFAR-10 is)"
        ),
        proof="golden",
        reproduction="paired: 2e-3 over 20 epochs (version 2)",
    )

    label: Tensor
    prior: Tensor

    class Config(Method.Config):
        alpha: float = Field(1.2, ge=0, description="weight of the prior's term")
        beta: float = Field(0.8, ge=0, description="weight of the entropy")
        begin: float | None = Field(
            None, gt=0, lt=1, description="first epoch with pseudo labels, fraction; null: by the schedule rule"
        )
        retrain: float | None = Field(None, gt=0, lt=1, description="start of the second step, likewise")
        window: float = Field(10 / 320, gt=0, le=1, description="epochs that a pseudo label averages, as a fraction")
        _steps = ordered("begin", "retrain")

    def build(self) -> None:
        super().build()
        n, k, device = self.kit.num_samples, self.kit.num_classes, self.kit.device
        self.history = PredictionWindow(self.kit.schedule(self.cfg.window), n, k, device)
        self.register_buffer("label", torch.zeros(n, k, device=device))
        self.register_buffer("prior", torch.full((k,), 1 / k, device=device))

    def starts(self) -> tuple[int, ...]:
        begin, retrain = self.schedule.starts(self.cfg.begin)
        if self.cfg.retrain is not None:
            retrain = self.kit.schedule(self.cfg.retrain)
        return begin, max(begin + 1, retrain)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        phase = self.phase(epoch)
        if epoch == 0:
            self.label.copy_(one_hot(data.y, self.kit.num_classes))
            self.history.fill(data.y)
            self.prior.copy_(self.label.mean(0))
        starts = phase == "retrain" and self.phase(epoch - 1) != "retrain"
        if starts:
            self.net.load_state_dict(self.kit.network("second step").state_dict())
            self.kit.reset("net")
        if phase == "pseudo labels" or starts:
            self.label.copy_(self.history.mean(epoch))
        report_all(self.kit, label=self.label.argmax(1), score=pick(self.label, data.y))
        return data.batches()

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        loss = soft_cross_entropy(logits, self.label[batch.index])
        if self.phase(self.epoch) == "retrain":
            return loss
        log_p = logits.log_softmax(1)
        p = log_p.exp()
        prior = self.prior.to(p.dtype)
        log_mean = p.mean(0).clamp(min=1e-30).log()
        balance = (torch.xlogy(prior, prior) - prior * log_mean).sum()
        entropy = -(p * log_p).sum(1).mean()
        return loss + self.cfg.alpha * balance + self.cfg.beta * entropy

    def after_step(self, batch: Batch, logits: Tensor) -> None:
        if self.phase(self.epoch) != "retrain":
            self.history.record(self.epoch, batch.index, logits.softmax(1))
