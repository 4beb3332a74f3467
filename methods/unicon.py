"""UNICON: uniform selection and contrastive learning (Karim et al., CVPR 2022)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Length, Method, Phase, Search, TrainSet
from methods._divergence import jensen_shannon, log_mean
from methods._mixup import one_hot
from methods._selection import keep_or_all, report_all
from methods.dividemix import DivideMix, _Pair

DIMENSIONS = 128
"""Of the projections that are contrasted."""
TEMPERATURE = 0.05
"""Of the contrastive loss."""
SURE = 0.5
"""Labels with a smaller divergence are taken as they are."""


class UNICON(DivideMix):
    """DivideMix that labels equally many samples of every class, and contrasts views of the unlabelled ones.

    d_i is the Jensen-Shannon divergence (natural logarithm) of label i from the mean probabilities of both
    networks. With n samples below the mean of d, the n / K smallest of every class are labelled, or all of a class
    with fewer. The samples are chosen anew before each network's turn. Labels are refined with w = 1 where d < 0.5,
    else 1 - d; an unlabelled batch has N / (2 n) times as many samples as a labelled one. Two views are predicted for
    labels and guesses, two others are mixed. L = L_x + lambda_u * r(t) * L_u + KL(uniform || mean p) as in DivideMix,
    + lambda_c * L_c: the cross entropy of finding the other view of an unlabelled sample among all others of the
    batch, by cosine similarities / 0.05 of projections of the features. Predicts with the mean of both networks'
    logits. `confidence_penalty` is what the published code adds in the warm-up for asymmetric noise.
    """

    version = 1
    card = Card(
        title="UNICON: Combating Label Noise Through Uniform Selection and Contrastive Learning",
        authors="Nazmul Karim, Mamshad Nayeem Rizve, Nazanin Rahnavard, Ajmal Mian, Mubarak Shah",
        venue="CVPR",
        year=2022,
        arxiv="2203.14542",
        code="https://github.com/nazmul-karim170/UNICON-Noisy-Label",
        family="semi-supervised",
        cost=8,
        cost_note="two networks, four views, guessing, contrasting",
        networks_at_test=2,
        phases=(Phase("warm-up", epochs=10, steps=3910, plain=True), Phase("select", epochs=340)),
        lengths=(Length("ramp", epochs=16),),
        search=(
            Search("lambda_u", 1.0, 150.0, log=True),
            Search("lambda_c", 0.0025, 0.25, log=True),
            Search("alpha", 0.5, 8.0, log=True),
        ),
        official=(
            "CIFAR-10: warm-up 10 of 350 epochs (30 on CIFAR-100), ramp 16 epochs, lambda_u = 30, lambda_c = 0.025, "
            "T = 0.5, mixup alpha = 4, batch 64 (128 in the warm-up), SGD 0.02, weight decay 5e-4, cosine over 280 "
            "epochs; the asymmetric setting adds a confidence penalty, sum p log p, in warm-up"
        ),
        state="2 projections to 128 dimensions with batch normalization",
        deviations=(
            "all views have the suite's augmentation (the mixed and contrasted ones are AutoAugment officially); the "
            "threshold is the mean divergence: the code lowers it where the mean is above 0.7, which no divergence "
            "reaches with the natural logarithm; the code fills the labelled set up with copies of the first sample, "
            "and measures the second divergence with one network in training mode; both networks share one order of "
            "batches in warm-up, whose batches are of the suite's size (twice the later ones in the code); a last, "
            "smaller batch of labelled samples is trained on"
        ),
        fidelity="documented deviation: equal augmentation of all views",
        proof="golden",
    )

    class Config(Method.Config):
        warmup: float | None = Field(None, gt=0, lt=1, description="fraction of the epochs; null: by the schedule rule")
        ramp: float | None = Field(None, gt=0, le=1, description="of the unlabelled loss, likewise")
        lambda_u: float = Field(30.0, ge=0)
        lambda_c: float = Field(0.025, ge=0)
        temperature: float = Field(0.5, gt=0, le=1)
        alpha: float = Field(4.0, gt=0)
        confidence_penalty: bool = False

    def build(self) -> None:
        self.build_networks()
        self.projection, self.projection2 = self.projector("projection"), self.projector("projection2")
        self.projecting = tuple(
            self.kit.optimizer(name, projector.parameters())
            for name, projector in (("projection", self.projection), ("projection2", self.projection2))
        )

    def projector(self, name: str) -> nn.Module:
        """From features to `DIMENSIONS` normalized numbers: the last layer of a network with so many classes."""
        layer = self.kit.network(name, DIMENSIONS).stages()[-1]
        return nn.Sequential(layer, nn.BatchNorm1d(DIMENSIONS, device=self.kit.device))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        return data.batches() if self.phase(epoch) == "warm-up" else self.turns(epoch - self.starts()[0], data)

    def turns(self, past: int, data: TrainSet) -> Iterator[Batch]:
        """Batches of the first network, then those of the second, `past` epochs after the warm-up."""
        size = len(data) / self.kit.steps_per_epoch
        for turn in (0, 1):
            divergence = self.divergence(data)
            below = int((divergence < divergence.mean()).sum())
            chosen = keep_or_all(uniform(divergence, data.y, self.kit.num_classes, below))
            if turn == 0:
                report_all(self.kit, kept=chosen, score=-divergence)
            clean = torch.where(divergence < SURE, 1.0, 1 - divergence)
            beside = max(2, int(size * len(data) / (2 * max(1, below))))
            yield from self.turn(turn, past, data, clean, chosen, views=4, beside=beside)

    def divergence(self, data: TrainSet) -> Tensor:
        """[N] Jensen-Shannon divergence of the labels from the mean prediction."""
        log_p = data.scan(lambda x: log_mean(self.net(x).log_softmax(1), self.net2(x).log_softmax(1)))
        return jensen_shannon(log_p, one_hot(data.y, self.kit.num_classes, log_p.dtype).clamp(min=1e-30).log())

    def further_loss(self, batch: _Pair) -> Tensor | float:
        if batch.unlabelled is None:
            return 0.0
        net, project = ((self.net, self.projection), (self.net2, self.projection2))[batch.turn]
        views = torch.stack([F.normalize(project(net.features(view)), dim=1) for view in batch.unlabelled[-2:]])
        return self.cfg.lambda_c * contrast(views)

    def optimizers_of(self, turn: int) -> tuple[Optimizer, ...]:
        return *super().optimizers_of(turn), self.projecting[turn]


def uniform(divergence: Tensor, y: Tensor, num_classes: int, count: int) -> Tensor:
    """Boolean [N]: the `count` / K samples of every class with the smallest `divergence` [N], at least one each."""
    chosen = torch.zeros_like(y, dtype=torch.bool)
    for label in range(num_classes):
        inside = (y == label).nonzero().squeeze(1)
        nearest = divergence[inside].argsort(stable=True)[: max(1, count // num_classes)]
        chosen[inside[nearest]] = True
    return chosen


def contrast(views: Tensor) -> Tensor:
    """Mean cross entropy of finding the other view of a sample, for `views` [2, U, D] of length one."""
    size = views.shape[1]
    flat = views.flatten(0, 1)
    similarity = (flat @ flat.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return F.cross_entropy(similarity, torch.arange(2 * size, device=flat.device).roll(size))
