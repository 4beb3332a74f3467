"""What the functions that map golden cases to methods share: their results, inputs, gradients and rankings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.checks.golden import Case, Form, Result, Values
from tests.golden.harness import tensor


def paper(outputs: dict[str, Any], note: str = "", **forms: dict[str, Any]) -> Result:
    return Result(outputs, Form.PAPER, note, **forms)


def official(outputs: dict[str, Any], note: str, **forms: dict[str, Any]) -> Result:
    return Result(outputs, Form.OFFICIAL, note, **forms)


def steps(case: Case) -> list[dict[str, Tensor]]:
    """The inputs of each step, each as `tensor` reads it."""
    return [{name: tensor(value) for name, value in step.items()} for step in case["inputs"]["steps"]]


def exact(case: Case, *names: str) -> list[Tensor]:
    """The named inputs as float64 tensors, read without passing through float32."""
    return [torch.tensor(case["inputs"][name], dtype=torch.float64) for name in names]


def leaf(values: Tensor) -> Tensor:
    return values.clone().requires_grad_()


def sent_back(leaf: Tensor) -> Tensor:
    """The gradient that a step left in `leaf`; zero where it left none."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def grads(loss: Tensor, **leaves: Tensor) -> dict[str, Any]:
    """Gradients of `loss` as lists, under the names of the leaves; zero where the loss does not reach."""
    found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True, allow_unused=True)
    return {
        name: (torch.zeros_like(leaves[name]) if grad is None else grad).tolist()
        for name, grad in zip(leaves, found, strict=True)
    }


@dataclass(frozen=True)
class Ranked:
    """The positions `kept` of the smallest `values`, smallest first. Equal values may be kept and ordered otherwise,
    as the references' sorts are unstable."""

    kept: list[int]
    values: Tensor

    def differences(self, golden: Values, where: str) -> Iterator[str]:
        positions = range(len(self.values))
        if len(golden) != len(self.kept) or len({*golden} & {*positions}) != len(golden):
            yield f"{where}: {self.kept}, expected {golden}"
        elif not torch.allclose(self.values[golden], self.values[self.kept], rtol=0, atol=1e-9):
            yield f"{where}: {self.kept} with values {self.values[self.kept].tolist()}, expected {golden}"


def in_front(recorded: list[int], size: int) -> Tensor:
    """All positions, `recorded` first: a batch in this order has its ties broken as they were recorded."""
    first = list(dict.fromkeys(recorded))
    return torch.tensor([*first, *(i for i in range(size) if i not in set(first))], dtype=torch.int64)
