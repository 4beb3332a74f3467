"""DivideMix: label noise as semi-supervised learning (Li et al., ICLR 2020)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Length, Method, Phase, Search, TrainSet, accuracy
from methods._mixmatch import SemiBatch, forever, sharpen, squared_error
from methods._mixture import mixture_posterior, rescale
from methods._mixup import mixup, one_hot, soft_cross_entropy
from methods._selection import keep_or_all, report_all


@dataclass(frozen=True)
class _Pair(SemiBatch):
    """A labelled and an unlabelled batch for the network `turn`, and the clean probabilities of the labelled one."""

    turn: int
    clean: Tensor
    """[B] probability that the label is right."""


class DivideMix(Method):
    """Two networks; each is trained by MixMatch on the split that the other one's losses give.

    After a warm-up with cross entropy, every epoch fits a mixture of two Gaussians to each network's losses
    (moved to [0, 1]); w_i is the posterior of the smaller mean. For the peer, samples with w > `threshold`
    are labelled, the others not. Labels are refined, w y + (1 - w) mean p over two views of the network in
    training, and guessed, the mean of p over two views and both networks, then sharpened, p^(1/T). MixMatch
    mixes all of them (larger part first) and minimizes
        L_x + lambda_u * r(t) * L_u + KL(uniform || mean p),
    L_x soft cross entropy, L_u the squared error, mean over samples and classes, r a linear ramp. Predicts
    with the mean of both networks' logits (published: their sum, of the same classes). `confidence_penalty`
    and `history` are what the published code adds for asymmetric noise and for symmetric noise of 90 %.
    """

    version = 3
    card = Card(
        title="DivideMix: Learning with Noisy Labels as Semi-supervised Learning",
        authors="Junnan Li, Richard Socher, Steven C. H. Hoi",
        venue="ICLR",
        year=2020,
        arxiv="2002.07394",
        code="https://github.com/LiJunnan1992/DivideMix",
        family="semi-supervised",
        cost=6,
        cost_note="two networks, two views, guessing",
        networks_at_test=2,
        phases=(Phase("warm-up", epochs=10, steps=3910, plain=True), Phase("divide", epochs=290)),
        lengths=(Length("ramp", epochs=16),),
        search=(
            Search("lambda_u", 1.0, 150.0, log=True),
            Search("threshold", 0.3, 0.8),
            Search("alpha", 0.5, 8.0, log=True),
        ),
        official=(
            "CIFAR-10: warm-up 10 of 300 epochs (30 on CIFAR-100), ramp 16 epochs, T = 0.5, mixup alpha = 4, "
            "threshold 0.5, batch 64, SGD 0.02, weight decay 5e-4; the code sets lambda_u by the true noise: 0 "
            "(symmetric 20 %, asymmetric), 25 (symmetric 50 % and more), 150 (CIFAR-100); the asymmetric setting "
            "adds a confidence penalty, sum p log p, in warm-up; at symmetric 90 % the losses are averaged over "
            "5 epochs"
        ),
        state="[2, H, N] losses",
        deviations=(
            "lambda_u is 25 throughout; both networks share one batch order in warm-up, whose batches are of the "
            "suite's size (twice the later ones in the code); the mixtures start from a fixed seed; where fewer than "
            "two samples count as clean all are labelled; the penalty for uneven predictions is taken in log space"
        ),
        proof="golden",
        reproduction="paired: 3e-3 over 20 epochs; run: +.005 ± .009 (version 3)",
    )

    losses: Tensor

    class Config(Method.Config):
        warmup: float | None = Field(None, gt=0, lt=1, description="fraction of the epochs; null: by the schedule rule")
        ramp: float | None = Field(None, gt=0, le=1, description="of the unlabelled loss, likewise")
        lambda_u: float = Field(25.0, ge=0)
        temperature: float = Field(0.5, gt=0, le=1)
        alpha: float = Field(4.0, gt=0)
        threshold: float = Field(0.5, gt=0, lt=1)
        history: int = Field(1, ge=1, le=20)
        confidence_penalty: bool = False

    def build(self) -> None:
        self.build_networks()
        shape = (2, self.cfg.history, self.kit.num_samples)
        self.register_buffer("losses", torch.zeros(shape, device=self.kit.device))

    def build_networks(self) -> None:
        """Both networks and their optimizers."""
        super().build()
        self.net2 = self.kit.network("net2")
        self.optimizer2 = self.kit.optimizer("net2", self.net2.parameters())

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.warmup)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if self.phase(epoch) == "warm-up":
            return data.batches()
        past = epoch - self.starts()[0]
        clean = [self.divide(turn, past, data) for turn in (0, 1)]
        report_all(self.kit, kept=clean[0] > self.cfg.threshold, score=clean[0])
        return self.pairs(past, data, clean)

    def divide(self, turn: int, past: int, data: TrainSet) -> Tensor:
        """Probability [N] that a label is right, by the losses of the network `turn`, `past` splits in."""
        net = (self.net, self.net2)[turn]
        return self.split(turn, past, F.cross_entropy(data.scan(net), data.y, reduction="none"))

    def split(self, turn: int, past: int, loss: Tensor) -> Tensor:
        """Posterior [N] of the smaller mean, by losses [N] averaged with those of earlier splits."""
        self.losses[turn, past % self.cfg.history] = rescale(loss).to(self.losses.dtype)
        mean = self.losses[turn, : past + 1].mean(0)
        return mixture_posterior(mean, clean="small", max_iter=10, tol=1e-2, reg_covar=5e-4)

    def pairs(self, past: int, data: TrainSet, clean: list[Tensor]) -> Iterator[Batch]:
        """Batches of the first network by the split of the second, then the reverse."""
        for turn in (0, 1):
            w = clean[1 - turn]
            yield from self.turn(turn, past, data, w, keep_or_all(w > self.cfg.threshold))

    def turn(
        self,
        turn: int,
        past: int,
        data: TrainSet,
        clean: Tensor,
        chosen: Tensor,
        *,
        views: int = 2,
        beside: int | None = None,
    ) -> Iterator[Batch]:
        """Batches of the network `turn`, with the samples `chosen` [N] as the labelled ones.

        `clean` [N] are the probabilities that labels are right, `beside` the size of unlabelled batches; None: that of
        the labelled ones.
        """
        labelled, rest = chosen.nonzero().squeeze(1), (~chosen).nonzero().squeeze(1)
        unlabelled = forever(data, rest, views=views, size=beside) if len(rest) > 1 else None
        for number, batch in enumerate(data.batches(labelled, views=views)):
            if number == 0:
                # Batches in an epoch as the code counts them: one too many where all are full.
                count = len(labelled) // len(batch.index) + 1
            yield _Pair(
                batch.x,
                batch.y,
                batch.index,
                next(unlabelled).x if unlabelled else None,
                self.ramp(past + number / count),
                turn,
                clean[batch.index],
            )

    def ramp(self, past: float) -> float:
        """Factor of the unlabelled loss `past` epochs after the warm-up."""
        return min(max(past / self.schedule.length("ramp", self.cfg.ramp), 0.0), 1.0)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.mixmatch(batch) if isinstance(batch, _Pair) else self.warm_up(batch)

    def warm_up(self, batch: Batch) -> dict[str, Tensor]:
        logits, logits2 = self.net(batch.x[0]), self.net2(batch.x[0])
        for score, optimizer in ((logits, self.optimizer), (logits2, self.optimizer2)):
            loss = F.cross_entropy(score, batch.y)
            if self.cfg.confidence_penalty:
                loss = loss + negative_entropy(score)
            self.kit.update(loss, optimizer)
        return {"loss": loss.detach(), "accuracy": accuracy(logits, batch.y)}

    def mixmatch(self, batch: _Pair) -> dict[str, Tensor]:
        net, peer = (self.net, self.net2)[:: 1 - 2 * batch.turn]
        x, targets, plain = self.prepare(net, peer, batch)
        further = self.further_loss(batch)
        mixed_x, mixed_targets = mixup(x, targets, self.cfg.alpha, dominant=True)
        logits = net(mixed_x)
        labelled = 2 * len(batch.index)
        parts = self.semi_loss(logits[:labelled], mixed_targets[:labelled], logits[labelled:], mixed_targets[labelled:])
        loss = parts[0] + batch.ramp * self.cfg.lambda_u * parts[1] + parts[2] + further
        self.kit.update(loss, *self.optimizers_of(batch.turn))
        return {"loss": loss.detach(), "accuracy": accuracy(plain, batch.y)}

    def further_loss(self, batch: _Pair) -> Tensor | float:
        """What a derived method adds to the loss of the network in training."""
        return 0.0

    def optimizers_of(self, turn: int) -> tuple[Optimizer, ...]:
        """The optimizers of what belongs to the network `turn`."""
        return (self.optimizer2 if turn else self.optimizer,)

    @torch.no_grad()
    def prepare(self, net: Any, peer: Any, batch: _Pair) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs and targets for mixing: two views of the labelled, then of the unlabelled; and predictions
        [B, K] of the labelled. Predictions are those of the first two views, the last two are mixed."""
        others, guesses = [], []
        if batch.unlabelled is not None:
            # The peer only advises: its normalization statistics must not see these batches.
            peer.eval()
            views = [model(view).softmax(1) for model in (net, peer) for view in batch.unlabelled[:2]]
            peer.train()
            guessed = sharpen(torch.stack(views).mean(0), self.cfg.temperature)
            others, guesses = [*batch.unlabelled[-2:]], [guessed, guessed]
        # After the guess, as in the code: running statistics weigh the last batches most.
        seen = torch.stack([net(view).softmax(1) for view in batch.x[:2]])
        labels = one_hot(batch.y, self.kit.num_classes, seen.dtype)
        refined = sharpen(refine(seen, labels, batch.clean.to(seen.dtype)), self.cfg.temperature)
        return torch.cat([*batch.x[-2:], *others]), torch.cat([refined, refined, *guesses]), seen.mean(0)

    def semi_loss(
        self, logits_x: Tensor, targets_x: Tensor, logits_u: Tensor, targets_u: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """L_x, L_u and the penalty, of logits and targets [.., K]; L_u is 0 without unlabelled rows."""
        supervised = soft_cross_entropy(logits_x, targets_x)
        unsupervised = squared_error(logits_u, targets_u)
        log_p = torch.cat([logits_x, logits_u]).log_softmax(1)
        rows, k = log_p.shape
        penalty = -(log_p.logsumexp(0) - math.log(rows) + math.log(k)).mean()
        return supervised, unsupervised, penalty

    def predict(self, x: Tensor) -> Tensor:
        return (self.net(x) + self.net2(x)) / 2


def refine(seen: Tensor, labels: Tensor, clean: Tensor) -> Tensor:
    """w y + (1 - w) mean p: `seen` [views, B, K] probabilities, `labels` [B, K], `clean` [B]."""
    w = clean[:, None]
    return w * labels + (1 - w) * seen.mean(0)


def negative_entropy(logits: Tensor) -> Tensor:
    """Mean over the batch of sum_k p_k log p_k; finite at p = 0."""
    log_p = logits.log_softmax(1)
    return (log_p.exp() * log_p).sum(1).mean()
