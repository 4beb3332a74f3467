"""Meta-Weight-Net: learning an explicit mapping for sample weighting (Shu et al., NeurIPS 2019)."""

import torch
from torch import Tensor, nn

from methods import Batch, Card, Field, Phase, Search
from methods._meta import MetaMethod


class MetaWeightNet(MetaMethod):
    """A small network V turns the loss of a sample into its weight; a clean set teaches it how.

    In every step the network is moved, on trial, by a gradient step on mean_i V(l_i) l_i, l cross entropy; V takes a
    step of Adam on the clean loss after that move, through it. Then the network itself takes a step with the weights
    of the new V. V has one hidden layer of `hidden` units with ReLU, and a sigmoid at its end.
    """

    card = Card(
        title="Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting",
        authors="Jun Shu, Qi Xie, Lixuan Yi, Qian Zhao, Sanping Zhou, Zongben Xu, Deyu Meng",
        venue="NeurIPS",
        year=2019,
        arxiv="1902.07379",
        code="https://github.com/xjtushujun/meta-weight-net",
        family="reweighting",
        cost=6,
        cost_note=(
            "a trial step, its loss on a clean batch and the derivative of that; a step takes 5.3 (resnet18) to 6.7 "
            "(EfficientNet-Lite0) times as long on one core"
        ),
        needs=("clean_set",),
        phases=(Phase("train", epochs=120, steps=58_800),),
        search=(Search("meta_lr", 1e-4, 1e-2, log=True),),
        official=(
            "CIFAR-10 and CIFAR-100: 1,000 clean images, equally many of each class, 100 hidden units, V by Adam 1e-3 "
            "with weight decay 1e-4; ResNet-32, SGD 0.1 with momentum 0.9, weight decay 5e-4, divided by 10 at epochs "
            "80 and 100 of 120, batch 100"
        ),
        state="the network V",
        deviations=(
            "V's learning rate is scaled by official / own steps, so that a short run trains it as far; one forward "
            "pass serves the trial and the step (in the code they have one each, equal but for dropout); weights are "
            "not divided by their sum, as in the code's stable version (in its first they are)"
        ),
        fidelity="official form",
        proof="golden",
    )

    class Config(MetaMethod.Config):
        hidden: int = Field(100, ge=1, le=10_000, description="units of V's hidden layer")
        meta_lr: float = Field(1e-3, gt=0, description="Adam's official rate for V")
        meta_decay: float = Field(1e-4, ge=0, le=1, description="weight decay of V")

    def build(self) -> None:
        super().build()
        self.weight_net = nn.Sequential(nn.Linear(1, self.cfg.hidden), nn.ReLU(), nn.Linear(self.cfg.hidden, 1))
        self.weight_net.to(self.kit.device)
        self.meta_optimizer = self.kit.optimizer(
            "weight_net",
            self.weight_net.parameters(),
            optimizer="adam",
            lr=self.cfg.meta_lr * self.schedule.rate_factor("train"),
            weight_decay=self.cfg.meta_decay,
            scheduled=False,
        )

    def value(self, losses: Tensor) -> Tensor:
        """[B] weights in (0, 1) that V gives to `losses` [B]."""
        return self.weight_net(losses.detach()[:, None]).squeeze(1).sigmoid()

    def weigh(self, losses: Tensor, clean: Batch) -> Tensor:
        weights = self.value(losses) / len(losses)
        # By the chain rule the gradient by V of the clean loss after the trial.
        self.kit.update((self.slopes(weights, losses, clean) * weights).sum(), self.meta_optimizer)
        with torch.no_grad():
            return self.value(losses) / len(losses)
