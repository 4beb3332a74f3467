"""ProMix: maximal use of clean samples, with debiased pseudo-labels (Xiao et al., IJCAI 2023)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from methods import Batch, Card, Field, Length, Memory, Method, Phase, Search, TrainSet
from methods._losses import pick
from methods._mixmatch import sharpen
from methods._mixup import beta_weight, mix
from methods._selection import as_mask, masked_mean, report_all

LARGEST_SHARE = 0.9
"""Of a batch, up to which guessed labels are added."""
DECAY_POWER = 3
"""Of the frequencies in a mask of FMix."""


@dataclass(frozen=True)
class _Judged(Batch):
    """A batch in two views, and what the last losses say of its labels."""

    small: Tensor
    """[2, B] whether the loss is among the smallest of the class, for either network."""


class ProMix(Method):
    """Two networks with two heads each: one learns from reliable samples only, the other from all.

    Reliable for a network are, of every class, the rho * N / K samples with its smallest losses, and those whose
    label has a probability above tau. In the last epochs (`expand`) samples are added whose class both networks give
    alike with more than tau, until 90 % of the batch are reliable; their label is the network's own prediction, with
    log pi subtracted. Per network and head, with the logarithm of the mean prediction pi, times `debias`, added to
    all logits:
        CE(view 1) + w(t) (CE(view 2) + CE(mixup) + CE(FMix)),
    over reliable samples, w a linear ramp from the first epoch on. The pseudo head adds beta(t) (CE(view 1) +
    w(t) CE(view 2)) over the others, whose targets are the network's predictions with log pi subtracted, sharpened;
    beta = 0.1 t / (2 ramp) for two ramps, then 0. pi is a moving average, one for the reliable and one for the other
    samples. Predicts with the mean logits of both networks' first heads.
    """

    version = 1
    card = Card(
        title="ProMix: Combating Label Noise via Maximizing Clean Sample Utility",
        authors="Ruixuan Xiao, Yiwen Dong, Haobo Wang, Lei Feng, Runze Wu, Gang Chen, Junbo Zhao",
        venue="IJCAI",
        year=2023,
        arxiv="2207.10276",
        doi="10.24963/ijcai.2023/494",
        code="https://github.com/Justherozen/ProMix",
        family="semi-supervised",
        cost=12,
        cost_note="two networks, two views, four mixtures each",
        networks_at_test=2,
        phases=(Phase("warm-up", epochs=10, steps=1960, plain=True), Phase("select", epochs=591)),
        lengths=(Length("ramp", epochs=50),),
        memories=(Memory("bias_momentum", decay=0.9999, per="step"),),
        search=(
            Search("rho", 0.2, 0.8),
            Search("tau", 0.8, 0.999),
            Search("debias", 0.2, 1.0),
        ),
        official=(
            "CIFAR-10: warm-up 10 of 600 epochs and one more (30 on CIFAR-100), ramp 50 epochs, tau = 0.99 (0.95), "
            "debias 0.8 (0.5), momentum of pi 0.9999, guesses in the last 250 epochs, T = 0.5, mixup alpha = 4, batch "
            "256, SGD 0.05, weight decay 5e-4, cosine; rho by the true noise: 0.7 (symmetric 20 %), 0.5 (else)"
        ),
        state="[2, 2, K] mean predictions",
        deviations=(
            "rho is 0.5 throughout; both views have the suite's augmentation (the second is RandAugment officially); "
            "mixtures are made in whole batches, so that nothing waits for the device, and batch normalization sees "
            "the other samples too; a batch without reliable samples adds nothing (the code divides by zero), likewise "
            "one without others; the code's confidence penalty in the warm-up for asymmetric noise is left out; a "
            "last, smaller batch is trained on"
        ),
        fidelity="documented deviation: equal augmentation in both views",
        proof="golden",
    )

    bias: Tensor

    class Config(Method.Config):
        warmup: float | None = Field(None, gt=0, lt=1, description="fraction of the epochs; null: by the schedule rule")
        ramp: float | None = Field(None, gt=0, le=1, description="from the first epoch on, likewise")
        rho: float = Field(0.5, gt=0, le=1)
        tau: float = Field(0.99, gt=0, lt=1)
        debias: float = Field(0.8, ge=0, le=2)
        bias_momentum: float | None = Field(None, ge=0, lt=1, description="of pi; null: by the schedule rule")
        expand: float = Field(250 / 601, ge=0, le=1, description="last fraction of the epochs, with guesses")
        unreliable_weight: float = Field(0.1, ge=0, description="largest beta")
        temperature: float = Field(0.5, gt=0, le=1)
        alpha: float = Field(4.0, gt=0)

    def build(self) -> None:
        super().build()
        self.net2 = self.kit.network("net2")
        self.pseudo: nn.Module = self.kit.network("pseudo").stages()[-1]
        self.pseudo2: nn.Module = self.kit.network("pseudo2").stages()[-1]
        self.others = tuple(
            self.kit.optimizer(name, module.parameters())
            for name, module in (("net2", self.net2), ("pseudo", self.pseudo), ("pseudo2", self.pseudo2))
        )
        k = self.kit.num_classes
        self.register_buffer("bias", torch.full((2, 2, k), 1 / k, device=self.kit.device))
        self.momentum = self.schedule.decay("bias_momentum", self.cfg.bias_momentum)

    def starts(self) -> tuple[int, ...]:
        return self.schedule.starts(self.cfg.warmup)

    def optimizers(self) -> tuple[Optimizer, ...]:
        return self.optimizer, *self.others

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if self.phase(epoch) == "warm-up":
            return data.batches()
        losses = [F.cross_entropy(data.scan(net), data.y, reduction="none") for net in (self.net, self.net2)]
        small = torch.stack([smallest_of_classes(loss, data.y, self.kit.num_classes, self.cfg.rho) for loss in losses])
        report_all(self.kit, kept=small[0], score=-losses[0])
        return (_Judged(batch.x, batch.y, batch.index, small[:, batch.index]) for batch in data.batches(views=2))

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if isinstance(batch, _Judged):
            loss, logits = self.promix(batch)
        else:
            logits = self.net(batch.x[0])
            loss = F.cross_entropy(logits, batch.y) + F.cross_entropy(self.net2(batch.x[0]), batch.y)
        return self.descend(loss, logits, batch)

    def promix(self, batch: _Judged) -> tuple[Tensor, Tensor]:
        """The loss of both networks, and the first one's logits [B, K]."""
        seen = [torch.stack([self.heads(turn, view) for view in batch.x]) for turn in (0, 1)]
        p = torch.stack([logits[0, 0].detach().softmax(1) for logits in seen])
        losses = [self.network_loss(turn, seen[turn], p, batch) for turn in (0, 1)]
        return losses[0] + losses[1], seen[0][0, 0]

    def heads(self, turn: int, x: Tensor) -> Tensor:
        """[2, B, K] logits of both heads of the network `turn`."""
        net, pseudo = ((self.net, self.pseudo), (self.net2, self.pseudo2))[turn]
        z = net.features(x)
        return torch.stack([net.head(z), pseudo(z)])

    def network_loss(self, turn: int, seen: Tensor, p: Tensor, batch: _Judged) -> Tensor:
        """Of the network `turn`, for its logits `seen` [views, heads, B, K] and both networks' p [2, B, K]."""
        reliable, other = (self.cfg.debias * pi.log() for pi in self.bias[turn].to(seen.dtype))
        kept, label = self.choose(turn, seen[0, 0] - reliable, p, batch)
        ramp, loss = self.ramp(1), seen.new_zeros(())
        for head in (0, 1):
            given = [
                masked_mean(F.cross_entropy(view + reliable, label, reduction="none"), kept) for view in seen[:, head]
            ]
            mixed = self.mixed(turn, head, batch.x[0], label, kept, reliable)
            loss = loss + given[0] + ramp * (given[1] + mixed)
        target = sharpen((seen[0, 0].detach() - other).softmax(1), self.cfg.temperature)
        guessed = [masked_mean(F.cross_entropy(view + other, target, reduction="none"), ~kept) for view in seen[:, 1]]
        self.follow(turn, p[turn], kept)
        return loss + self.beta() * (guessed[0] + ramp * guessed[1])

    def ramp(self, ramps: int) -> float:
        """Share of so many ramps that is past, at most 1."""
        return min(self.epoch / (ramps * self.schedule.length("ramp", self.cfg.ramp)), 1.0)

    def beta(self) -> float:
        """Weight of the samples that are not reliable."""
        past = self.ramp(2)
        return self.cfg.unreliable_weight * past if past < 1 else 0.0

    def choose(self, turn: int, debiased: Tensor, p: Tensor, batch: _Judged) -> tuple[Tensor, Tensor]:
        """Which samples are reliable [B], and their labels [B]; `debiased` are logits [B, K]."""
        own = batch.small[turn] | (pick(p[turn], batch.y) > self.cfg.tau)
        label = torch.where(own, batch.y, debiased.argmax(1))
        if self.epoch < self.kit.epochs - self.kit.schedule(self.cfg.expand) or not self.cfg.expand:
            return own, label
        best, classes = p.max(2)
        agreed = (best > self.cfg.tau).all(0) & (classes[0] == classes[1]) & ~own
        rank = (-best.mean(0)).masked_fill(~agreed, torch.inf).argsort(stable=True).argsort()
        room = int(LARGEST_SHARE * len(own)) - own.sum()
        return own | (agreed & (rank < room)), label

    def mixed(self, turn: int, head: int, x: Tensor, label: Tensor, kept: Tensor, bias: Tensor) -> Tensor:
        """CE of one head on mixup and FMix among the samples `kept` [B], of images or features `x` [B, ...]."""
        weight = beta_weight(self.cfg.alpha)
        weight = torch.maximum(weight, 1 - weight)
        partner = shuffled(kept)
        loss = self.pair_loss(turn, head, mix(x, x[partner], weight), label, label[partner], weight, kept, bias)
        weight = beta_weight(1.0)
        mask = fmix_mask(x.shape[2:] or x.shape[1:], float(weight)).to(x)
        partner = shuffled(kept)
        return loss + self.pair_loss(turn, head, mix(x, x[partner], mask), label, label[partner], weight, kept, bias)

    def pair_loss(
        self, turn: int, head: int, x: Tensor, first: Tensor, second: Tensor, weight: Tensor, kept: Tensor, bias: Tensor
    ) -> Tensor:
        """CE with the labels `first` and `second`, weighed by `weight` and 1 - `weight`."""
        logits = self.heads(turn, x)[head] + bias
        each = [F.cross_entropy(logits, label, reduction="none") for label in (first, second)]
        return masked_mean(mix(each[0], each[1], weight), kept)

    def follow(self, turn: int, p: Tensor, kept: Tensor) -> None:
        """Moves the mean predictions of the reliable and of the other samples."""
        for number, mask in enumerate((kept, ~kept)):
            mean = (p * mask[:, None]).sum(0) / mask.sum().clamp(min=1)
            moved = torch.lerp(mean, self.bias[turn, number].to(mean.dtype), self.momentum)
            self.bias[turn, number] = torch.where(mask.any(), moved, self.bias[turn, number]).to(self.bias.dtype)

    def predict(self, x: Tensor) -> Tensor:
        return (self.net(x) + self.net2(x)) / 2


def smallest_of_classes(loss: Tensor, y: Tensor, num_classes: int, rho: float) -> Tensor:
    """Boolean [N]: of every class the rho N / K samples with the smallest `loss` [N], rounded up."""
    count = max(1, math.ceil(len(y) / num_classes * rho))
    classes = [(y == label).nonzero().squeeze(1) for label in range(num_classes)]
    chosen = [inside[loss[inside].argsort(stable=True)[:count]] for inside in classes]
    return as_mask(torch.cat(chosen), len(y))


def shuffled(members: Tensor) -> Tensor:
    """[B] position of each row's partner: a random order of the members, itself for the others."""
    size = len(members)
    order = (torch.rand(size, device=members.device) + ~members).argsort()
    place = (~members).argsort(stable=True)
    partner = torch.empty_like(order)
    partner[place] = torch.where(torch.arange(size, device=members.device) < members.sum(), order, place)
    return partner


def fmix_mask(shape: tuple[int, ...], share: float) -> Tensor:
    """Mask of FMix (Harris et al., 2020), 1 in the share `share` of an image [H, W] or of features [D], else 0.

    The largest values of a random image of low frequencies, as the published code makes it: of the last axis, it
    has the frequencies 0 and 1 only.
    """
    first = torch.tensor([0.0, 1 / shape[0]], dtype=torch.float64)
    width = shape[1] if len(shape) > 1 else 0
    across = torch.fft.fftfreq(width, dtype=torch.float64)[: width // 2 + 1 + width % 2] if width else None
    frequency = first if across is None else torch.hypot(first[:, None], across)
    scale = frequency.clamp(min=1 / max(shape)) ** -DECAY_POWER
    parts = scale[..., None] * torch.randn(2, *frequency.shape[1:], 2, dtype=torch.float64)
    image = torch.fft.irfftn(torch.complex(parts[0], parts[1]), s=tuple(shape)).flatten()
    count = share * len(image)
    whole = math.ceil(count) if torch.rand(1).item() > 0.5 else math.floor(count)
    return as_mask(image.argsort(descending=True)[:whole], len(image)).reshape(shape).double()
