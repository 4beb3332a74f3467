"""PES: progressive early stopping (Bai et al., NeurIPS 2021)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Method, Phase, TrainSet
from methods._losses import pick
from methods._selection import keep_or_all, report_all

OFFICIAL_LATE_EPOCHS = 7


class PES(Method):
    """Stops early parts late and late parts early, then trains where the prediction equals the label.

    Cross entropy for T_1 epochs; the last two stages of the network are initialized anew and trained alone
    for T_2 epochs, then the head alone for T_3. After that every epoch trains the whole network on the
    samples whose predicted class equals their label, each class weighted by mean count / own count.
    """

    version = 2
    card = Card(
        title="Understanding and Improving Early Stopping for Learning with Noisy Labels",
        authors="Yingbin Bai, Erkun Yang, Bo Han, Yanhua Yang, Jiatong Li, Yinian Mao, Gang Niu, Tongliang Liu",
        venue="NeurIPS",
        year=2021,
        arxiv="2106.15853",
        code="https://github.com/tmllab/2021_NeurIPS_PES",
        family="sample selection",
        phases=(
            Phase("early", epochs=25, plain=True),
            Phase("late stages", epochs=7),
            Phase("head", epochs=5),
            Phase("confident", epochs=174),
        ),
        official=(
            "CIFAR-10: T_1, T_2, T_3 = 25, 7, 5 of 200 epochs, the late parts with Adam 1e-4; SGD 0.1, weight "
            "decay 1e-4; CIFAR-100: 30 epochs first"
        ),
        state="[K] class weights",
        deviations=(
            "the late parts are trained within the run's epochs, the official code adds them; their learning "
            "rate is scaled by official / own epochs of the late stages, without which a short run leaves them "
            "untrained; afterwards the whole network is trained, while the code gives the renewed layers to no "
            "optimizer any more; predictions are made without augmentation (the mean of two augmented views in the "
            "code); a last, smaller batch is trained on"
        ),
        proof="golden",
    )

    class_weight: Tensor

    class Config(Method.Config):
        first: float = Field(25 / 200, gt=0, lt=1)
        second: float = Field(7 / 200, gt=0, lt=1)
        third: float = Field(5 / 200, gt=0, lt=1)
        refine_lr: float = Field(1e-4, gt=0, description="Adam's rate for the late parts over 7 epochs")

    def build(self) -> None:
        super().build()
        self.register_buffer("class_weight", torch.ones(self.kit.num_classes, device=self.kit.device))
        scale = max(1.0, OFFICIAL_LATE_EPOCHS / self.kit.schedule(self.cfg.second))
        adam = {"optimizer": "adam", "lr": self.cfg.refine_lr * scale, "weight_decay": 0.0, "scheduled": False}
        self.refiners = {}
        for count in (2, 1):
            late = [p for stage in self.net.stages()[-count:] for p in stage.parameters()]
            self.refiners[count] = self.kit.optimizer(f"last{count}", late, **adam)

    def starts(self) -> tuple[int, int, int]:
        """First epochs of the phases after the first."""
        first = self.kit.schedule(self.cfg.first)
        second = first + self.kit.schedule(self.cfg.second)
        return first, second, second + self.kit.schedule(self.cfg.third)

    def phase(self, epoch: int) -> str:
        return self.card.phase_names[sum(epoch >= start for start in self.starts())]

    def renew(self, count: int) -> None:
        """Initializes the last `count` stages anew."""
        fresh = self.kit.network(f"renewed{count}")
        for stage, new in zip(self.net.stages()[-count:], fresh.stages()[-count:], strict=True):
            stage.load_state_dict(new.state_dict())

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        late, head, confident = self.starts()
        if epoch in (late, head):
            self.renew(2 if epoch == late else 1)
        if epoch < confident:
            return data.batches()
        probabilities = data.scan(lambda x: self.net(x).softmax(1))
        kept = keep_or_all(is_confident(probabilities, data.y))
        self.class_weight.copy_(balance(data.y[kept], self.kit.num_classes))
        given = pick(probabilities, data.y)
        report_all(self.kit, kept=kept, score=given)
        return data.batches(kept.nonzero().squeeze(1))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits, batch.y, weight=self.class_weight.to(logits.dtype))

    def optimizers(self) -> tuple[Optimizer, ...]:
        count = {"late stages": 2, "head": 1}.get(self.phase(self.epoch))
        return (self.refiners[count] if count else self.optimizer,)


def is_confident(probabilities: Tensor, y: Tensor) -> Tensor:
    """Boolean [N]: the predicted class is the given one."""
    return probabilities.argmax(1) == y


def balance(y: Tensor, num_classes: int) -> Tensor:
    """[K] weights, mean count of the present classes / own count; 0 for an absent class."""
    count = torch.bincount(y, minlength=num_classes).float()
    mean = count.sum() / (count > 0).sum().clamp(min=1)
    return torch.where(count > 0, mean / count.clamp(min=1), 0.0)
