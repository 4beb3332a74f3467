"""Well-regularized cross entropy, a hard baseline with noisy labels (Kang et al., arXiv 2023)."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from methods import Batch, Card, Field, TrainSet
from methods._ema import AveragedMethod
from methods.label_smoothing import LabelSmoothing


class StrongCE(AveragedMethod, LabelSmoothing):
    """Label smoothing, weight decay, averaged weights, and early stopping on noisy labels that it holds out.

    Loss: that of `label_smoothing` (Szegedy et al., CVPR 2016). Prediction: with the averaged weights of `ema`, as
    they were after the epoch in which they agreed best with the given labels of the held-out samples. These are a
    share `held` of every class of the training set; they are not trained on. `held = 0` trains on all samples and
    predicts with the current average.
    """

    card = Card(
        title="Unleashing the Potential of Regularization Strategies in Learning with Noisy Labels",
        authors="Hui Kang, Sheng Liu, Huaxi Huang, Jun Yu, Bo Han, Dadong Wang, Tongliang Liu",
        venue="arXiv",
        year=2023,
        arxiv="2307.05025",
        family="control",
        cost=1.1,
        cost_note="scores its held-out samples after every epoch",
        official=(
            "cross entropy with a decaying learning rate, averaged weights and augmentation; the paper's point is that "
            "these together match specialized methods"
        ),
        state="two copies of the weights, [N] held out, the best agreement",
        deviations=(
            "the decay of the learning rate and the augmentation are those of the recipe, for all methods the same; "
            "label smoothing, weight decay and early stopping are added, as controls commonly have them"
        ),
        fidelity="its augmentation and schedule are the recipe's",
        proof="worked example",
    )

    held: Tensor
    agreement: Tensor

    class Config(AveragedMethod.Config, LabelSmoothing.Config):
        weight_decay: float = Field(5e-4, ge=0, le=1, description="of the optimizer, instead of the recipe's")
        held: float = Field(0.1, ge=0, le=0.5, description="share of the training samples that chooses the epoch")

    def build(self) -> None:
        self.net = self.kit.network("net")
        self.optimizer = self.kit.optimizer("net", self.net.parameters(), weight_decay=self.cfg.weight_decay)
        self.start_average()
        self.best = copy.deepcopy(self.average)
        self.register_buffer("held", torch.zeros(self.kit.num_samples, dtype=torch.bool, device=self.kit.device))
        self.register_buffer("agreement", torch.tensor(-1.0, device=self.kit.device))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        self.read_updates()
        if epoch == 0:
            self.held.copy_(held_out(data.y, self.cfg.held, data.num_classes))
        yield from data.batches((~self.held).nonzero().squeeze(1))
        self.keep_the_best(data)  # after the last step of the epoch, before it is scored

    def keep_the_best(self, data: TrainSet) -> None:
        """Keeps the average of this epoch where it agrees better with the held-out labels than all before."""
        index = self.held.nonzero().squeeze(1)
        if len(index):
            predicted = data.scan(lambda x: self.average(x).argmax(1), index)
            agreement = (predicted == data.y[index]).float().mean()
            if agreement <= self.agreement:
                return
            self.agreement.copy_(agreement)
        self.best.load_state_dict(self.average.state_dict())

    def predict(self, x: Tensor) -> Tensor:
        return self.best(x)


def held_out(y: Tensor, share: float, num_classes: int) -> Tensor:
    """Boolean [N]: of each class of `y` [N] the share `share`, rounded, drawn from torch's generator."""
    held = torch.zeros_like(y, dtype=torch.bool)
    for label in range(num_classes):
        inside = (y == label).nonzero().squeeze(1)
        order = torch.randperm(len(inside)).to(y.device)
        held[inside[order[: round(share * len(inside))]]] = True
    return held
