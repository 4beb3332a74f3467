"""What the functions that map golden cases to methods share: their results, inputs and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.golden.harness import tensor

Case = dict[str, Any]
Result = dict[str, Any]


def paper(outputs: dict[str, Any], note: str = "") -> Result:
    return {"status": "paper", "outputs": outputs, "note": note}


def reference(outputs: dict[str, Any], note: str) -> Result:
    return {"status": "reference", "outputs": outputs, "note": note}


def steps(case: Case) -> list[dict[str, Tensor]]:
    """The inputs of each step, each as `tensor` reads it."""
    return [{name: tensor(value) for name, value in step.items()} for step in case["inputs"]["steps"]]


def exact(case: Case, *names: str) -> list[Tensor]:
    """The named inputs as float64 tensors, read without passing through float32."""
    return [torch.tensor(case["inputs"][name], dtype=torch.float64) for name in names]


def leaf(values: Tensor) -> Tensor:
    return values.clone().requires_grad_()


def grads(loss: Tensor, **leaves: Tensor) -> dict[str, Any]:
    """Gradients of `loss` as lists, under the names of the leaves; zero where the loss does not reach."""
    found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True, allow_unused=True)
    return {
        name: (torch.zeros_like(leaves[name]) if grad is None else grad).tolist()
        for name, grad in zip(leaves, found, strict=True)
    }
