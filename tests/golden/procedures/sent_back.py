"""What the steps of an epoch send back into a network: to which samples, and to which weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.checks.golden import Values


@contextmanager
def trained(network: nn.Module, index: list[Tensor]) -> Iterator[list[Values]]:
    """Records, per backward pass through the logits of `network`, the sorted samples that a gradient reaches.

    The last entry of `index` are the samples of the running step; views of a sample count as the sample.
    """
    passes: list[Values] = []

    def record(grad: Tensor) -> None:
        samples = index[-1]
        reached = samples.repeat(len(grad) // len(samples))[grad.ne(0).any(1)]
        passes.append(reached.unique().tolist())

    def watch(_: nn.Module, __: tuple[Tensor, ...], logits: Tensor) -> None:
        if logits.requires_grad:
            logits.register_hook(record)

    hook = network.register_forward_hook(watch)
    yield passes
    hook.remove()


@contextmanager
def followed(network: nn.Module, optimizer: Optimizer) -> Iterator[list[Values]]:
    """Records, per step of `optimizer`, which weights of `network` have a gradient that is not 0: 0 or 1, by name."""
    steps: list[Values] = []

    def record(*_: object) -> None:
        steps.append({name: _reached(weight).tolist() for name, weight in network.named_parameters()})

    hook = optimizer.register_step_pre_hook(record)
    yield steps
    hook.remove()


def _reached(weight: Tensor) -> Tensor:
    grad = weight.grad if weight.grad is not None else torch.zeros_like(weight)
    return grad.ne(0).int()
