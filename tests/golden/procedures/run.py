"""Whole procedures: a method runs through every phase on a tiny problem, as its official code did.

A case of `procedures/METHOD.json` is called `METHOD_procedure` and holds what both sides were given:

| input | what it is |
|---|---|
| `options` | the method's own options; lengths of phases are stated, or the run is as long as the official one |
| `epochs`, `classes`, `batch_size` | of the run |
| `recipe` | `optimizer`, `lr`, `momentum`, `weight_decay` of the suite's optimizers |
| `x` [N, D], `y` [N] | plain inputs and noisy labels |
| `views` [V, N, D] | optional: what `batches` shows instead of `x` |
| `orders` [E, passes, N] | the order of each pass over the data; the last one of an epoch stands for all that follow |
| `networks` | name -> initial weights; with "norm.*" among them the network has batch normalization, with "first.*" \
three layers |
| `state` | optional: initial values of parameters and buffers of the method |
| `steps_per_epoch` | optional: for ramps that advance by the step and rates that are raised in short runs |
| `hints`, `probabilities` | optional: what the kit tells, and what its auxiliary fits give |
| `fold_seed` | optional: the folds of `out_of_fold` are drawn with it, and the engine's own fits run on them |
| `draws` [E, n] | optional: the random numbers of each epoch in the order in which they are asked for |

Its outputs are lists with one entry per epoch. Every key is looked up in what the method did: see `observed`. Only
random draws are replaced, and each is checked to be the one that was recorded; no decision of a method is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmark.checks.golden import Case, Result, Suite, Values
from benchmark.grid.spec import Recipe
from benchmark.registry import METHODS
from methods.base import Batch, Hints
from tests.golden.cases import paper
from tests.golden.harness import TinyData, TinyKit, TinyNetwork, recorded, tensor
from tests.golden.omitted import OMITTED
from tests.golden.procedures.folds import FoldKit
from tests.golden.procedures.sent_back import followed, trained
from tests.golden.procedures.watched import WATCHED, Watch

SUFFIX = "_procedure"


class NormalizedNetwork(TinyNetwork):
    """A TinyNetwork with batch normalization between its layers."""

    def __init__(self, dim: int, width: int, num_classes: int) -> None:
        super().__init__(dim, width, num_classes)
        self.norm = nn.BatchNorm1d(width)

    def features(self, x: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.body(x.flatten(1))))


class StagedNetwork(TinyNetwork):
    """A TinyNetwork with a layer in front, so that its last two stages are not all of it."""

    def __init__(self, dim: int, width: int, num_classes: int) -> None:
        super().__init__(width, width, num_classes)
        self.first = nn.Linear(dim, width)

    def features(self, x: Tensor) -> Tensor:
        return super().features(torch.tanh(self.first(x.flatten(1))))

    def stages(self) -> list[nn.Module]:
        return [self.first, *super().stages()]


KINDS = {"norm.weight": NormalizedNetwork, "first.weight": StagedNetwork}
"""Networks that are not a TinyNetwork, by a weight that only they have."""


@dataclass
class ProcedureKit(TinyKit):
    """Lends networks with the recorded initial weights: a fresh one at every call."""

    steps_per_epoch: int = 10**6
    """By default so many that no learning rate is raised for a run that is shorter than the published one."""
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    folds: FoldKit | None = None

    def network(self, name: str, num_classes: int | None = None) -> nn.Module:
        weights = self.weights[name]
        width, dim = next(iter(weights.values())).shape
        kind = next((KINDS[key] for key in KINDS if key in weights), TinyNetwork)
        network = kind(dim, width, num_classes or self.num_classes).to(self.dtype)
        network.load_state_dict(weights)
        return network

    def optimizer(self, name: str, params: Any, *, scheduled: bool = True, **overrides: Any) -> Any:
        return super().optimizer(name, params, scheduled=scheduled, **self.recipe | overrides)

    def out_of_fold(self, folds: int, epochs: int | None = None) -> Tensor:
        return self.folds.out_of_fold(folds, epochs) if self.folds else super().out_of_fold(folds, epochs)


@dataclass
class ProcedureData(TinyData):
    """Batches in recorded orders; `passes` keeps which samples each pass of an epoch was asked for."""

    views: Tensor | None = None
    orders: list[list[list[int]]] = field(default_factory=list)
    epoch: int = 0
    passes: list[Tensor] = field(default_factory=list)
    model: nn.Module | None = None

    def batches(self, index: Tensor | None = None, *, views: int = 1, augment: bool = True) -> Iterator[Batch]:
        orders, number = self.orders[self.epoch], len(self.passes)
        order = torch.tensor(orders[min(number, len(orders) - 1)])
        self.passes.append(torch.arange(len(self)) if index is None else index)
        order = order[torch.isin(order, self.passes[-1])]
        # Orders are looked up when the pass is asked for, not at its first batch.
        return self._batches(order, views, augment)

    def _batches(self, order: Tensor, views: int, augment: bool) -> Iterator[Batch]:
        shown = self.views if self.views is not None and augment else self.x[None]
        for part in order.split(self.size):
            if len(part) > 1:
                # One set of inputs stands for any number of views; where more are recorded, a further one is an error.
                seen = torch.stack([shown[view if len(shown) > 1 else 0, part] for view in range(views)])
                yield Batch(x=seen, y=self.y[part], index=part)

    def scan(self, fn: Callable[[Tensor], Tensor], index: Tensor | None = None) -> Tensor:
        assert self.model is not None
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        result = super().scan(fn, index)
        for module, mode in modes:
            module.training = mode
        return result


class Draws:
    """Gives recorded random numbers in place of torch's, if they are asked for as they were recorded."""

    def __init__(self, recorded: list[dict[str, Any]]) -> None:
        self.left = list(recorded)

    def next(self, kind: str, asked: Any) -> Tensor:
        assert self.left, f"a draw too many: {kind}({asked})"
        draw = self.left.pop(0)
        assert (draw["kind"], draw["asked"]) == (kind, asked), f"{kind}({asked}) was drawn where {draw} was recorded"
        return tensor(draw["value"])

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Inside the block, draws of Beta distributions, `torch.randperm`, `rand` and `randn` are the recorded ones."""

        def beta(distribution: Any) -> Tensor:
            return self.next("beta", [float(distribution.concentration1), float(distribution.concentration0)])

        def permutation(size: int, **_: Any) -> Tensor:
            return self.next("permutation", size)

        def uniform(*size: int, **_: Any) -> Tensor:
            return self.next("uniform", list(size))

        def normal(*size: int, **_: Any) -> Tensor:
            return self.next("normal", list(size))

        with (
            patch.object(torch.distributions.Beta, "sample", beta),
            patch.object(torch, "randperm", permutation),
            patch.object(torch, "rand", uniform),
            patch.object(torch, "randn", normal),
        ):
            yield
        assert not self.left, f"{len(self.left)} recorded draws were not asked for"


@dataclass(frozen=True)
class Epoch:
    """What could be seen of a method after one of its epochs."""

    method: Any
    data: ProcedureData
    batches: list[list[int]]
    """Samples of every step."""
    calls: dict[str, list[Values]]
    """What the watched functions were given or gave, call by call; what was sent back, step by step."""

    def observed(self, key: str) -> Any:
        """The value of an output `key`.

        "phase", "batches" (samples of every step), "passes" (sorted samples of every pass over the data),
        "predicted" (classes [N]), "predictions" (logits [N, K]), "lr" (optimizer -> learning rate), "transition",
        "report.kept", "report.score" and "report.label" (as reported for the whole training set); "trained.NET" and
        "followed.NET" (samples and weights of the network NET that a gradient reaches: `sent_back`); the calls of a
        function that `watched.py` names; else an attribute of the method: a network's weights and statistics by
        name, a parameter's or buffer's values, a number, or what a schedule says of the epoch.
        """
        kit = self.method.kit
        match key:
            case "phase":
                return self.method.phase(self.method.epoch)
            case "batches":
                return self.batches
            case "passes":
                return [sorted(index.tolist()) for index in self.data.passes]
            case "predicted" | "predictions":
                self.method.eval()
                with torch.no_grad():
                    logits = self.method.predict(self.data.x)
                return logits.argmax(1).tolist() if key == "predicted" else logits.tolist()
            case "lr":
                return {name: optimizer.param_groups[0]["lr"] for name, optimizer in kit.optimizers.items()}
            case "transition":
                return kit.transitions[-1].tolist() if kit.transitions else None
            case "report.kept" | "report.score" | "report.label":
                return reported(kit, key.removeprefix("report."))
        if key in self.calls:
            return self.calls[key]
        value = getattr(self.method, key)
        if isinstance(value, nn.Module):
            state = {name: entry for name, entry in value.state_dict().items() if "num_batches" not in name}
            return {name: entry.tolist() for name, entry in state.items()}
        if callable(value):
            return value(self.method.epoch)
        return value.tolist() if isinstance(value, Tensor) else value


def reported(kit: TinyKit, column: str) -> list[Any]:
    """What the epoch's reports say of every sample; None where they say nothing. Later reports win."""
    values: list[Any] = [None] * kit.num_samples
    for report in kit.reports:
        entries = report.get(column)
        if entries is not None:
            for sample, entry in zip(report["index"].tolist(), entries.tolist(), strict=True):
                values[sample] = entry
    return values


def build(name: str, inputs: dict[str, Any]) -> tuple[Any, ProcedureData]:
    """The method `name` and its training set, as the case's inputs say."""
    method_cls = METHODS.load(name)
    hints: dict[str, Any] = {}
    for key, value in inputs.get("hints", {}).items():
        hints[f"given_{key}"] = tensor(value) if isinstance(value, list) else value
    kit = ProcedureKit(
        num_classes=inputs["classes"],
        num_samples=len(inputs["y"]),
        epochs=inputs["epochs"],
        steps_per_epoch=inputs.get("steps_per_epoch", ProcedureKit.steps_per_epoch),
        hints=Hints(**hints),
        weights={net: {key: tensor(v) for key, v in state.items()} for net, state in inputs["networks"].items()},
        recipe=inputs["recipe"],
        probabilities=tensor(inputs["probabilities"]) if "probabilities" in inputs else None,
    )
    method = method_cls(method_cls.Config(**inputs["options"]), kit).to(kit.dtype)
    for key, value in inputs.get("state", {}).items():
        getattr(method, key).data.copy_(tensor(value))
    data = ProcedureData(
        x=tensor(inputs["x"]),
        y=tensor(inputs["y"]),
        num_classes=inputs["classes"],
        size=inputs["batch_size"],
        views=tensor(inputs["views"]) if "views" in inputs else None,
        orders=inputs["orders"],
        model=method,
    )
    if "fold_seed" in inputs:
        recipe = Recipe(epochs=kit.epochs, batch_size=data.size, **inputs["recipe"])
        kit.folds = FoldKit(replace(data), kit.network, recipe, inputs["fold_seed"])
    return method, data


def epochs(
    method: Any,
    data: ProcedureData,
    draws: list[list[dict[str, Any]]],
    watches: dict[str, Watch],
    sent_back: tuple[str, ...],
) -> Iterator[Epoch]:
    """Trains as the engine's trainer does, and gives what could be seen after each epoch."""
    kit = method.kit
    for epoch in range(kit.epochs):
        method.epoch = data.epoch = epoch
        method.train()
        for seen in (data.passes, kit.reports, kit.transitions):
            seen.clear()
        index: list[Tensor] = []
        with ExitStack() as stack:
            calls = {
                key: stack.enter_context(recorded(watch.owner(method), watch.function))
                for key, watch in watches.items()
            }
            steps = {key: stack.enter_context(_watch_steps(key, method, index)) for key in sent_back}
            stack.enter_context(Draws(draws[epoch] if draws else []).replayed())
            for batch in method.plan(epoch, data):
                index.append(batch.index)
                method.step(batch)
        seen_calls = {key: [watch.read(call) for call in calls[key]] for key, watch in watches.items()}
        yield Epoch(method, data, [part.tolist() for part in index], seen_calls | steps)


def _watch_steps(key: str, method: Any, index: list[Tensor]) -> AbstractContextManager[list[Values]]:
    """Records what the output `key`, "trained.NET" or "followed.NET", asks for."""
    kind, name = key.split(".")
    network = getattr(method, name)
    return trained(network, index) if kind == "trained" else followed(network, method.kit.optimizers[name])


def procedure_case(case: Case) -> Result:
    name, inputs = case["method"].removesuffix(SUFFIX), case["inputs"]
    watches = {key: watch for key, watch in WATCHED.get(name, {}).items() if key in case["outputs"]}
    sent_back = tuple(key for key in case["outputs"] if key.startswith(("trained.", "followed.")))
    method, data = build(name, inputs)
    omitted = Suite({}, OMITTED).omissions(case)
    outputs: dict[str, list[Any]] = {key: [] for key in case["outputs"] if key not in omitted}
    for epoch in epochs(method, data, inputs.get("draws", []), watches, sent_back):
        for key, values in outputs.items():
            values.append(epoch.observed(key))
    return paper(outputs)


FILES = sorted(Path(__file__).parent.glob("*.json"))
PROCEDURES: dict[str, Callable[[Case], Result]] = {f"{path.stem}{SUFFIX}": procedure_case for path in FILES}
