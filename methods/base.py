"""What a method sees of the benchmark: batches, the training set, the kit, and the class it overrides.

A method is one file in `methods/`. It overrides the smallest of `loss`, `step`, `plan`, `build` and
`predict` that its paper needs. It never sees a clean label: `TrainSet` holds none, and what the run may
tell (`Hints`, a small clean set among them) must be declared on its card (`needs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.settings import Settings as Settings
from methods._card import HINT_NAMES as HINT_NAMES
from methods._card import UNDER_NOISE as UNDER_NOISE
from methods._card import Card as Card
from methods._card import Length as Length
from methods._card import Memory as Memory
from methods._card import Phase as Phase
from methods._card import Search as Search
from methods._schedule import Schedule as Schedule

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from backbones.base import Network


@dataclass(frozen=True)
class Batch:
    """One training batch. A method may subclass it: the engine only passes it from `plan` to `step`."""

    x: Tensor
    """[views, B, C, H, W] in [0, 1] (the backbone normalises), or [views, B, D] cached features."""
    y: Tensor
    """[B] noisy labels, int64."""
    index: Tensor
    """[B] stable positions in the training set, int64: the only right key of per-sample state."""


class TrainSet(Protocol):
    """The training set as a method may see it: images and noisy labels, no clean label."""

    num_classes: int
    y: Tensor
    """[N] noisy labels of all samples, int64, on the device."""

    def __len__(self) -> int: ...

    def batches(self, index: Tensor | None = None, *, views: int = 1, augment: bool = True) -> Iterator[Batch]:
        """Shuffled batches of the samples `index` (default: all); a last batch of one is dropped."""
        ...

    def scan(self, fn: Callable[[Tensor], Tensor], index: Tensor | None = None) -> Tensor:
        """`fn(x)` over ordered, unaugmented batches in eval mode without gradient, concatenated: [N, ...]."""
        ...


class MissingHint(LookupError):
    """A method asked for a hint that it did not declare or that the track does not give."""


@dataclass(frozen=True)
class Hints:
    """What a run may tell beside the labels. In the blind track `noise_rate` is the engine's estimate; T is never
    given."""

    given_noise_rate: float | None = None
    given_transition: Tensor | None = None
    given_clean_set: TrainSet | None = None
    given_soft_labels: Tensor | None = None

    @property
    def noise_rate(self) -> float:
        """Share of wrong training labels in [0, 1)."""
        if self.given_noise_rate is None:
            raise MissingHint('noise_rate was not given: declare it, card = Card(needs=("noise_rate",))')
        return self.given_noise_rate

    @property
    def transition(self) -> Tensor:
        """[K, K] row-stochastic T, T[i, j] = P(noisy = j | clean = i)."""
        if self.given_transition is None:
            raise MissingHint(
                'transition was not given: declare it, card = Card(needs=("transition",)), '
                "and run in the oracle track (--track oracle)"
            )
        return self.given_transition

    @property
    def clean_set(self) -> TrainSet:
        """A few images with their true labels, equally many of each class; none of them is in the training set."""
        if self.given_clean_set is None:
            raise MissingHint(
                'clean_set was not given: declare it, card = Card(needs=("clean_set",)), '
                "and set its size (--clean-set N)"
            )
        return self.given_clean_set

    @property
    def soft_labels(self) -> Tensor:
        """[N, K] float32 probabilities of the classes of every training sample, by its raters; rows sum to 1."""
        if self.given_soft_labels is None:
            raise MissingHint(
                'soft_labels were not given: declare them, card = Card(needs=("soft_labels",)), '
                "and train on the labels of raters (-n raters:majority)"
            )
        return self.given_soft_labels


class Kit(Protocol):
    """What the engine lends to a method: networks, optimizers, schedules, diagnostics."""

    num_samples: int
    num_classes: int
    epochs: int
    hints: Hints
    device: torch.device

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W) of images, (D,) of cached features."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Batches of `TrainSet.batches()` over all samples."""
        ...

    def network(self, name: str, num_classes: int | None = None) -> Network:
        """A freshly initialised network. Equal names start from equal weights in every method."""
        ...

    def optimizer(self, name: str, params: Iterable[Any], *, scheduled: bool = True, **overrides: Any) -> Optimizer:
        """The suite's optimizer over `params`; `overrides` replace recipe fields (`lr`, `weight_decay`,
        `momentum`, `optimizer`). `scheduled=False` keeps the learning rate constant."""
        ...

    def reset(self, name: str) -> None:
        """Fresh state for the optimizer `name`; its schedule starts anew over the remaining epochs."""
        ...

    def slow_down(self, name: str, weight: float) -> None:
        """Divides the learning rate of the optimizer `name` by 1 + `weight` until the epoch ends: `weight` is that
        of a term which is added to the loss."""
        ...

    def update(self, loss: Tensor, *optimizers: Optimizer, before_step: Callable[[], None] | None = None) -> None:
        """zero_grad, backward, `before_step` (edits of gradients), clip, step."""
        ...

    def out_of_fold(self, folds: int, epochs: int | None = None) -> Tensor:
        """[N, K] probabilities of every training sample from networks that were fitted without it.

        Each of the `folds` networks stops early, where it agrees best with its held-out noisy labels. The folds are
        stratified by class, or drawn at random where no class has a sample for each.
        """
        ...

    def posterior(self, held_share: float) -> Tensor:
        """[N, K] noisy posteriors of every training sample from one network, fitted with cross entropy.

        It does not see the share `held_share`, and stops where it agrees best with the noisy labels of that. The
        share is stratified by class, or drawn at random where not every class can have a sample in both parts.
        """
        ...

    def schedule(self, fraction: float) -> int:
        """`fraction` of the run's epochs as an epoch number, at least 1: for periods, and lengths of your own.

        Lengths that a paper names stand on the card and follow `Method.schedule`.
        """
        ...

    def report(
        self,
        index: Tensor,
        *,
        kept: Tensor | None = None,
        score: Tensor | None = None,
        label: Tensor | None = None,
    ) -> None:
        """Diagnostics of the samples `index` [B]: which were kept (bool), how clean they look (higher is
        cleaner), and the label that the method would give them. The engine scores them; no host sync."""
        ...

    def report_transition(self, transition: Tensor) -> None:
        """The method's estimate of T, [K, K] row-stochastic."""
        ...


@runtime_checkable
class Generative(Protocol):
    """A method that makes images: `noisybench samples` draws a sheet of them."""

    def generate(self, y: Tensor) -> Tensor:
        """Images [B, C, H, W] in [0, 1] of the classes `y` [B], drawn from torch's generator."""
        ...


CARD_ONLY = (
    "family",
    "cost",
    "needs",
    "tasks",
    "min_classes",
    "frozen",
    "images_only",
    "trains",
    "networks_at_test",
    "search",
    "phases",
    "lengths",
    "memories",
    "under_noise",
    "equals_ce",
    "proof",
    "fidelity",
    "reproduction",
)
"""Facts that are read from the card alone: a class attribute of such a name would be ignored, so it is refused."""


class Method(nn.Module):
    """A way of training with noisy labels. The defaults are plain cross entropy with one network.

    Networks, optimizers and buffers are made in `build`, buffers at their final shape. State lives in
    parameters and buffers and is indexed by `batch.index`; a plain attribute is lost at resume. The
    engine sets `epoch` before every epoch and seeds all generators from (seed, epoch).
    """

    version: ClassVar[int] = 1
    """Bump when the numbers change."""
    card: ClassVar[Card] = Card()
    """Paper, needs, cost, phases; a derived class inherits its parent's."""

    class Config(Settings):
        """No options."""

    cfg: Any
    epoch: int = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in CARD_ONLY:
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} sets the class attribute {name!r}, which belongs on its card; "
                    f"write `card = Card({name}=...)` instead"
                )

    def __init__(self, cfg: Settings, kit: Kit) -> None:
        super().__init__()
        self.cfg = cfg
        self.kit = kit
        self.build()

    @classmethod
    def requires(cls, cfg: Settings) -> frozenset[str]:
        """The hints that this configuration consumes."""
        return frozenset(cls.card.needs)

    def build(self) -> None:
        self.net = self.kit.network("net")
        self.optimizer = self.kit.optimizer("net", self.net.parameters())

    @property
    def schedule(self) -> Schedule:
        """The lengths, memories and learning rates of this run, from the official ones on the card."""
        return Schedule(self.card, self.kit.epochs, self.kit.steps_per_epoch)

    def starts(self) -> tuple[int, ...]:
        """First epochs of the phases after the first; override it where options move them."""
        return self.schedule.starts()

    def phase(self, epoch: int) -> str:
        """The name of the phase that `epoch` belongs to, one of the card's."""
        names, starts = self.card.phase_names, (0, *self.starts())
        if len(starts) != len(names):
            raise ValueError(
                f"starts() gave {len(starts) - 1} epochs; expected {len(names) - 1}, one for each phase of the card "
                f"after the first: {', '.join(names)}"
            )
        begun = [name for name, start in zip(names, starts, strict=True) if epoch >= start]
        return begun[-1]

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        return data.batches()

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Scalar loss of float32 `logits` [B, K]."""
        return F.cross_entropy(logits, batch.y)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Trains on one batch; returns detached 0-dim tensors, so that nothing waits for the device."""
        logits = self.logits(batch)
        return self.descend(self.loss(logits, batch), logits, batch)

    def logits(self, batch: Batch) -> Tensor:
        """What `step` gives to `loss`: [B, K], or [views * B, K] with the first view in front."""
        return self.net(batch.x[0])

    def descend(self, loss: Tensor, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Minimizes `loss` by one step of `optimizers`, with the hooks around it; gives what `step` returns.

        A `step` of your own ends with it, so that derived classes can rely on the hooks. The accuracy is
        that of the first B rows of `logits`.
        """
        self.kit.update(loss, *self.optimizers(), before_step=self.before_step)
        self.after_step(batch, logits)
        return {"loss": loss.detach(), "accuracy": accuracy(logits[: len(batch.y)], batch.y)}

    def optimizers(self) -> tuple[Optimizer, ...]:
        """The optimizers that take a step; asked in every step, so that they may depend on the phase."""
        return (self.optimizer,)

    def before_step(self) -> None:
        """Called between the backward pass and the optimizers' step: the place to edit gradients."""

    def after_step(self, batch: Batch, logits: Tensor) -> None:
        """Called after the optimizers' step, with the logits from before: the place to average or remember."""

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, K] of images [B, C, H, W] in [0, 1]."""
        return self.net(x)


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Share of rows of `logits` [B, K] whose largest entry is `y` [B]: detached, 0-dim."""
    return (logits.detach().argmax(1) == y).float().mean()
