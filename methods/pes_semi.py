"""PES with semi-supervised learning: progressive early stopping, then MixMatch (Bai et al., NeurIPS 2021)."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Length, Method, Phase, Search, TrainSet
from methods._mixmatch import SemiBatch, forever, sharpen, squared_error
from methods._mixup import mixup, one_hot
from methods.pes import PES

LARGEST_WEIGHT = 3.0
"""Of a class: one with few confident samples does not outweigh the others."""


class PESSemi(PES):
    """Early stopping by parts, then MixMatch with the confident samples as the labelled ones.

    Cross entropy for T_1 epochs; the head is initialized anew and trained alone for T_2 epochs. After that the
    samples whose predicted class equals their label are labelled in every epoch, the others not. A step takes as
    many samples as before, the two kinds in proportion to their numbers, at most half of them unlabelled. Guesses are
    the mean of p over two views, sharpened, p^(1/T). MixMatch mixes both views of all samples (larger part first)
    and minimizes
        L_x + lambda_u * r(t) * L_u,
    L_x soft cross entropy with the class weights min(3, mean count / own count), L_u the squared error, mean over
    samples and classes, r a linear ramp. The weight of a mixture is drawn from Beta(alpha, alpha), with `late_alpha`
    from half of the epochs on, of which those of the head do not count. With `form = "official"` the head stays as
    it is in the last phase, as in the published code, whose optimizer does not know the renewed module.
    """

    version = 1
    card = Card(
        title="Understanding and Improving Early Stopping for Learning with Noisy Labels",
        authors="Yingbin Bai, Erkun Yang, Bo Han, Yanhua Yang, Jiatong Li, Yinian Mao, Gang Niu, Tongliang Liu",
        venue="NeurIPS",
        year=2021,
        arxiv="2106.15853",
        code="https://github.com/tmllab/2021_NeurIPS_PES",
        family="semi-supervised",
        cost=2.3,
        cost_note="two views, guessing",
        phases=(
            Phase("early", epochs=20, steps=7800, plain=True),
            Phase("head", epochs=5, steps=1950),
            Phase("mixmatch", epochs=280, steps=109_200),
        ),
        lengths=(Length("ramp", epochs=16, steps=6240),),
        search=(
            Search("lambda_u", 1.0, 150.0, log=True),
            Search("alpha", 0.5, 8.0, log=True),
            Search("refine_lr", 1e-05, 0.001, log=True),
        ),
        official=(
            "CIFAR-10: T_1 = 20 of 300 epochs (35 on CIFAR-100), T_2 = 5 more with Adam 1e-4, ramp 16 epochs, T = 0.5, "
            "mixup alpha = 4, from epoch 150 on 0.75, batch 128, SGD 0.02, weight decay 5e-4; lambda_u by the data: 15 "
            "(CIFAR-10, instance 40 %), 50 (CIFAR-100, pairflip 45 %), 5 (CIFAR-10N), 75 (CIFAR-100N)"
        ),
        state="[K] class weights",
        deviations=(
            "lambda_u is 15 throughout; the head is trained within the run's epochs, the official code adds them; "
            "afterwards the whole network is trained, while the code gives the renewed head to no optimizer any more "
            "(form = official); confident samples are chosen without augmentation (the mean of two augmented views in "
            "the code); a kind with fewer samples than its part of a step gives all of them; fewer than two unlabelled "
            "samples a step are left out"
        ),
        proof="golden",
    )
    refined: ClassVar[dict[str, int]] = {"head": 1}

    class Config(Method.Config):
        first: float | None = Field(None, gt=0, lt=1, description="T_1, fraction; null: by the schedule rule")
        second: float | None = Field(None, gt=0, lt=1, description="T_2, of the head, likewise")
        ramp: float | None = Field(None, gt=0, le=1, description="of the unlabelled loss, likewise")
        refine_lr: float = Field(1e-4, gt=0, description="Adam's official rate for the head")
        lambda_u: float = Field(15.0, ge=0)
        temperature: float = Field(0.5, gt=0, le=1)
        alpha: float = Field(4.0, gt=0)
        late_alpha: float = Field(0.75, gt=0)
        form: Literal["paper", "official"] = Field("paper", description="official: the head rests in the last phase")

    @property
    def given_lengths(self) -> tuple[float | None, ...]:
        return self.cfg.first, self.cfg.second

    def confident(self, epoch: int, data: TrainSet, kept: Tensor) -> Iterator[Batch]:
        self.class_weight.clamp_(max=LARGEST_WEIGHT)
        labelled, rest = kept.nonzero().squeeze(1), (~kept).nonzero().squeeze(1)
        size = round(len(data) / self.kit.steps_per_epoch)
        beside = min(size // 2, size * len(rest) // len(data))
        if beside < 2:
            beside = 0
        others = forever(data, rest, size=beside) if beside else None
        return self.pairs(epoch - self.starts()[-1], forever(data, labelled, size=size - beside), others)

    def pairs(self, past: int, labelled: Iterator[Batch], others: Iterator[Batch] | None) -> Iterator[Batch]:
        """The steps of the epoch that is `past` epochs after the last phase began."""
        steps = self.kit.steps_per_epoch
        length = self.schedule.length("ramp", self.cfg.ramp)
        for number in range(steps):
            batch = next(labelled)
            ramp = min((past + number / steps) / length, 1.0)
            yield SemiBatch(batch.x, batch.y, batch.index, next(others).x if others else None, ramp)

    def alpha(self, epoch: int) -> float:
        """Parameter of the Beta distribution in `epoch`."""
        early, last = self.starts()
        return self.cfg.late_alpha if 2 * epoch >= self.kit.epochs + last - early else self.cfg.alpha

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if not isinstance(batch, SemiBatch):
            return super().step(batch)
        x, targets = self.prepare(batch)
        mixed_x, mixed = mixup(x, targets, self.alpha(self.epoch), dominant=True)
        logits = self.net(mixed_x)
        labelled = 2 * len(batch.index)
        weight = self.class_weight.to(logits.dtype)
        supervised = F.cross_entropy(logits[:labelled], mixed[:labelled].to(logits.dtype), weight=weight)
        unsupervised = squared_error(logits[labelled:], mixed[labelled:])
        return self.descend(supervised + batch.ramp * self.cfg.lambda_u * unsupervised, logits, batch)

    @torch.no_grad()
    def prepare(self, batch: SemiBatch) -> tuple[Tensor, Tensor]:
        """Inputs and targets for mixing: both views of the labelled, then of the unlabelled samples."""
        labels = one_hot(batch.y, self.kit.num_classes, self.class_weight.dtype)
        if batch.unlabelled is None:
            return torch.cat([*batch.x]), torch.cat([labels, labels])
        seen = torch.stack([self.net(view).softmax(1) for view in batch.unlabelled])
        guessed = sharpen(seen.mean(0), self.cfg.temperature)
        return torch.cat([*batch.x, *batch.unlabelled]), torch.cat([labels, labels, guessed, guessed])
