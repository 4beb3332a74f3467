"""A method without a training run: a small float64 kit, so that tests can call `plan`, `step` and `loss`.

It also holds what tests look through: networks that answer with given logits, and records of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmark.checks.golden import Case
from methods.base import Batch, Hints, Method


class TinyNetwork(nn.Module):
    """Two linear layers over flattened inputs of `dim` numbers, with the parts that a method may ask for."""

    def __init__(self, dim: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Linear(dim, width)
        self.classifier = nn.Linear(width, num_classes)

    def features(self, x: Tensor) -> Tensor:
        return torch.tanh(self.body(x.flatten(1)))

    def head(self, z: Tensor) -> Tensor:
        return self.classifier(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def stages(self) -> list[nn.Module]:
        return [self.body, self.classifier]


@dataclass(frozen=True)
class Query:
    """One call of a network: the input, and the state in which it was called."""

    x: Tensor
    training: bool
    grad: bool


class GivenLogits(nn.Module):
    """A network that answers its calls with the given logits in turn, whatever it is shown, and records the calls.

    It has no parameters: where the answers are leaves, `.grad` holds what `step` sends back, all of it summed, as
    no optimizer clears it.
    """

    def __init__(self, *answers: Tensor) -> None:
        super().__init__()
        self.answers = answers
        self.queries: list[Query] = []

    def forward(self, x: Tensor) -> Tensor:
        answer = self.answers[len(self.queries)]
        self.queries.append(Query(x, self.training, torch.is_grad_enabled()))
        return answer


@dataclass(frozen=True)
class Call:
    """The arguments and the result of one recorded call."""

    args: tuple[Any, ...]
    result: Any


@contextmanager
def recorded(owner: Any, name: str) -> Iterator[list[Call]]:
    """Records every call of the function `owner.name` inside the block; the calls go through."""
    original, calls = getattr(owner, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        calls.append(Call(args, result))
        return result

    with patch.object(owner, name, call):
        yield calls


@dataclass
class TinyKit:
    """What `methods.base.Kit` promises, at its smallest; `reports` and `transitions` keep what was reported."""

    num_classes: int
    num_samples: int
    epochs: int = 10
    steps_per_epoch: int = 8
    input_shape: tuple[int, ...] = (1, 2, 2)
    hints: Hints = field(default_factory=Hints)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float64
    dim: int = 4
    width: int = 5
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    networks: dict[str, nn.Module] = field(default_factory=dict)
    """Networks to lend under these names, instead of a TinyNetwork."""
    probabilities: Tensor | None = None
    """[N, K] what the auxiliary fits `posterior` and `out_of_fold` give."""
    reports: list[dict[str, Tensor | None]] = field(default_factory=list)
    transitions: list[Tensor] = field(default_factory=list)
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)

    def network(self, name: str, num_classes: int | None = None) -> Any:
        if name in self.networks:
            return self.networks[name]
        with torch.random.fork_rng():
            torch.manual_seed(sum(map(ord, name)))
            network = TinyNetwork(self.dim, self.width, num_classes or self.num_classes)
        return network.to(self.dtype)

    def optimizer(
        self, name: str, params: Iterable[Any], *, scheduled: bool = True, **overrides: Any
    ) -> torch.optim.Optimizer:
        kind = overrides.pop("optimizer", "sgd")
        options = {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay} | overrides
        if kind == "adam":
            del options["momentum"]
            self.optimizers[name] = torch.optim.Adam(params, **options)
        else:
            self.optimizers[name] = torch.optim.SGD(params, **options)
        for group in self.optimizers[name].param_groups:
            group["initial_lr"] = group["lr"]
        return self.optimizers[name]

    def reset(self, name: str) -> None:
        self.optimizers[name].state.clear()

    def slow_down(self, name: str, weight: float) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = group["initial_lr"] / (1 + weight)

    def update(
        self, loss: Tensor, *optimizers: torch.optim.Optimizer, before_step: Callable[[], None] | None = None
    ) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        if before_step is not None:
            before_step()
        for optimizer in optimizers:
            optimizer.step()

    def posterior(self, held_share: float) -> Tensor:
        assert self.probabilities is not None
        return self.probabilities

    def out_of_fold(self, folds: int, epochs: int | None = None) -> Tensor:
        assert self.probabilities is not None
        return self.probabilities

    def schedule(self, fraction: float) -> int:
        return max(1, round(fraction * self.epochs))

    def report(self, index: Tensor, **columns: Tensor | None) -> None:
        self.reports.append({"index": index, **columns})

    def report_transition(self, transition: Tensor) -> None:
        self.transitions.append(transition)


@dataclass
class TinyData:
    """`methods.base.TrainSet` over tensors x [N, D] and y [N], in order, without augmentation."""

    x: Tensor
    y: Tensor
    num_classes: int
    size: int = 8

    def __len__(self) -> int:
        return len(self.y)

    def _parts(self, index: Tensor | None) -> Iterator[Tensor]:
        return iter((torch.arange(len(self)) if index is None else index).split(self.size))

    def batches(self, index: Tensor | None = None, *, views: int = 1, augment: bool = True) -> Iterator[Batch]:
        for part in self._parts(index):
            yield Batch(x=self.x[part].expand(views, *self.x[part].shape), y=self.y[part], index=part)

    def scan(self, fn: Callable[[Tensor], Tensor], index: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return torch.cat([fn(self.x[part]) for part in self._parts(index)])


def make(
    method_cls: type[Method],
    config: dict[str, Any] | None = None,
    K: int = 10,
    N: int = 64,
    *,
    epochs: int = 10,
    epoch: int = 0,
    hints: Hints | None = None,
    **kit: Any,
) -> Any:
    """A built method in float64; its `Config` validates `config`, and `kit` sets further TinyKit fields.

    Typed as Any: tests reach for what the method itself defines, and for the TinyKit behind `method.kit`.
    """
    lent = TinyKit(num_classes=K, num_samples=N, epochs=epochs, hints=hints or Hints(), **kit)
    method = method_cls(method_cls.Config(**(config or {})), lent).to(lent.dtype)
    method.epoch = epoch
    return method


def tensor(value: Any) -> Tensor:
    """`value` as int64 or bool where it holds those, else as float64, read without passing through float32."""
    result = torch.tensor(value)
    return torch.tensor(value, dtype=torch.float64) if result.is_floating_point() else result


def tensors(case: Case, *names: str) -> list[Tensor]:
    """The named inputs of a golden case, each as `tensor` reads it."""
    return [tensor(case["inputs"][name]) for name in names]


def batch_of(y: Tensor, index: Tensor | None = None, x: Tensor | None = None) -> Batch:
    """A batch of the labels `y` [B]; `index` defaults to 0..B-1 and `x` to one view of zeros [1, B, 4]."""
    index = torch.arange(len(y)) if index is None else index
    return Batch(x=torch.zeros(1, len(y), 4, dtype=torch.float64) if x is None else x, y=y, index=index)


def loss_and_grad(method: Method, logits: Tensor, y: Tensor) -> dict[str, Any]:
    """`loss`, `grad_logits` and `loss_per_sample` of a method whose loss is a mean over independent rows."""
    z = logits.detach().clone().requires_grad_()
    loss = method.loss(z, batch_of(y))
    (grad,) = torch.autograd.grad(loss, z)
    rows = [method.loss(z[i : i + 1], batch_of(y[i : i + 1])).detach() for i in range(len(y))]
    return {
        "loss": loss.detach().item(),
        "grad_logits": grad.tolist(),
        "loss_per_sample": torch.stack(rows).tolist(),
    }
