"""PES: progressive early stopping (Bai et al., NeurIPS 2021)."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Method, Phase, Search, TrainSet
from methods._losses import pick
from methods._selection import keep_or_all, report_all


class PES(Method):
    """Stops early parts late and late parts early, then trains where the prediction equals the label.

    Cross entropy for T_1 epochs; the last two stages of the network are initialized anew and trained alone
    for T_2 epochs, then the head alone for T_3. After that every epoch trains the whole network on the
    samples whose predicted class equals their label, each class weighted by mean count / own count. With
    `form = "official"` the last two stages stay as they are then, as in the published code, whose optimizer does
    not know the renewed modules.
    """

    version = 3
    card = Card(
        title="Understanding and Improving Early Stopping for Learning with Noisy Labels",
        authors="Yingbin Bai, Erkun Yang, Bo Han, Yanhua Yang, Jiatong Li, Yinian Mao, Gang Niu, Tongliang Liu",
        venue="NeurIPS",
        year=2021,
        arxiv="2106.15853",
        code="https://github.com/tmllab/2021_NeurIPS_PES",
        family="sample selection",
        phases=(
            Phase("early", epochs=25, steps=8775, plain=True),
            Phase("late stages", epochs=7, steps=2457),
            Phase("head", epochs=5, steps=1755),
            Phase("confident", epochs=174),
        ),
        search=(Search("refine_lr", 1e-05, 0.001, log=True),),
        official=(
            "CIFAR-10: T_1, T_2, T_3 = 25, 7, 5 of 200 epochs, the late parts with Adam 1e-4; SGD 0.1, weight "
            "decay 1e-4; CIFAR-100: 30 epochs first"
        ),
        state="[K] class weights",
        deviations=(
            "the late parts are trained within the run's epochs, the official code adds them; afterwards the whole "
            "network is trained, while the code gives the renewed layers to no optimizer any more (form = official); "
            "predictions are "
            "made without augmentation (the mean of two augmented views in the "
            "code); a last, smaller batch is trained on"
        ),
        proof="golden",
        reproduction="paired: 3e-3 over 20 epochs; run: -.015 ± .020 (version 3)",
    )

    refined: ClassVar[dict[str, int]] = {"late stages": 2, "head": 1}
    """Phases in which the last stages are initialized anew and trained alone, and how many."""
    class_weight: Tensor

    class Config(Method.Config):
        first: float | None = Field(None, gt=0, lt=1, description="T_1, fraction; null: by the schedule rule")
        second: float | None = Field(None, gt=0, lt=1, description="T_2, likewise")
        third: float | None = Field(None, gt=0, lt=1, description="T_3, likewise")
        refine_lr: float = Field(1e-4, gt=0, description="Adam's official rate for the late parts")
        form: Literal["paper", "official"] = Field("paper", description="official: late parts rest in the last phase")

    def build(self) -> None:
        super().build()
        self.register_buffer("class_weight", torch.ones(self.kit.num_classes, device=self.kit.device))
        self.refiners = {}
        for phase, count in self.refined.items():
            lr = self.cfg.refine_lr * self.schedule.rate_factor(phase, *self.given_lengths)
            self.refiners[count] = self.kit.optimizer(
                f"last{count}", self.late(count), optimizer="adam", lr=lr, weight_decay=0.0, scheduled=False
            )

    @property
    def given_lengths(self) -> tuple[float | None, ...]:
        """The configured lengths of the phases before the last."""
        return self.cfg.first, self.cfg.second, self.cfg.third

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(*self.given_lengths)

    def late(self, count: int) -> list[Parameter]:
        """The parameters of the last `count` stages."""
        return [p for stage in self.net.stages()[-count:] for p in stage.parameters()]

    def renew(self, count: int) -> None:
        """Initializes the last `count` stages anew."""
        fresh = self.kit.network(f"renewed{count}")
        for stage, new in zip(self.net.stages()[-count:], fresh.stages()[-count:], strict=True):
            stage.load_state_dict(new.state_dict())

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        count = self.refined.get(self.phase(epoch))
        if count and epoch in self.starts():
            self.renew(count)
        return self.confident(epoch, data, self.choose(data)) if self.refining_is_over(epoch) else data.batches()

    def refining_is_over(self, epoch: int) -> bool:
        return epoch >= self.starts()[-1]

    def choose(self, data: TrainSet) -> Tensor:
        """Boolean [N]: the confident samples; sets the class weights by their labels."""
        probabilities = data.scan(lambda x: self.net(x).softmax(1))
        kept = keep_or_all(is_confident(probabilities, data.y))
        self.class_weight.copy_(balance(data.y[kept], self.kit.num_classes))
        given = pick(probabilities, data.y)
        report_all(self.kit, kept=kept, score=given)
        return kept

    def confident(self, epoch: int, data: TrainSet, kept: Tensor) -> Iterator[Batch]:
        """Batches of the last phase, with the confident samples `kept` [N]."""
        return data.batches(kept.nonzero().squeeze(1))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits, batch.y, weight=self.class_weight.to(logits.dtype))

    def before_step(self) -> None:
        if self.cfg.form == "official" and self.refining_is_over(self.epoch):
            for parameter in self.late(max(self.refined.values())):
                parameter.grad = None  # which also keeps weight decay and momentum from moving it

    def optimizers(self) -> tuple[Optimizer, ...]:
        count = self.refined.get(self.phase(self.epoch))
        return (self.refiners[count] if count else self.optimizer,)


def is_confident(probabilities: Tensor, y: Tensor) -> Tensor:
    """Boolean [N]: the predicted class is the given one."""
    return probabilities.argmax(1) == y


def balance(y: Tensor, num_classes: int) -> Tensor:
    """[K] weights, mean count of the present classes / own count; 0 for an absent class."""
    count = torch.bincount(y, minlength=num_classes).float()
    mean = count.sum() / (count > 0).sum().clamp(min=1)
    return torch.where(count > 0, mean / count.clamp(min=1), 0.0)
