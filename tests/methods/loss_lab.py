"""What tests of methods share: every loss with its variants, and short ways to build and run a method."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from methods.base import Method
from tests.golden.harness import TinyData, batch_of, make

LOSSES: dict[str, list[dict[str, Any]]] = {
    "ce": [{}],
    "batch_flip": [{"rho": 0.5}, {"rho": 0.5, "mode": "exact"}],
    "label_smoothing": [{}],
    "mae": [{}],
    "gce": [{}, {"q": 0.01}, {"q": 1.0}, {"normalized": True}],
    "gce_truncated": [{}],
    "sce": [{}],
    "rce": [{}],
    "nce_rce": [{}, {"gamma": 0.5}, {"gamma": 0.5, "detach_factor": True}],
    "nce_mae": [{}],
    "agce": [{}, {"alpha": 1.0, "beta": 4.0, "a": 6.0, "q": 1.5}],
    "aul": [{}, {"alpha": 1.0}],
    "ael": [{}, {"alpha": 1.0}],
    "anl_ce": [{}, {"gamma": 0.5, "entropy": 2.0}],
    "js": [{}, {"label_weight": 0.001}, {"scaled": False}],
    "logit_clip": [{}, {"rescale": "inverse"}, {"norm": 1.0}],
    "phuber": [{}, {"tau": 10.0, "q": 0.7}],
    "focal": [{}, {"gamma": 2.0}, {"normalized": True}, {"detach_factor": True}],
    "taylor_ce": [{}, {"order": 6}],
    "bi_tempered": [{}, {"t1": 0.5, "t2": 4.0}, {"iterations": 5, "smoothing": 0.1}],
    "peer": [{}, {"pairing": "prior"}],
    "nls": [{}, {"warmup": 0.0}],
    "bootstrap_soft": [{}],
    "bootstrap_hard": [{}],
    "cores": [{}, {"prior": "uniform"}],
}
FURTHER = ("gjs", "mixup", "ema", "mixup_ema", "strong_ce", "sam")
VARIANTS = [(name, config) for name, configs in LOSSES.items() for config in configs]


def method_class(name: str) -> type[Method]:
    """The one public method that the module defines."""
    module = importlib.import_module(f"methods.{name}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    ]
    (only,) = classes
    return only


def build(name: str, config: dict[str, Any] | None = None, **kit: Any) -> Any:
    return make(method_class(name), config, **kit)


def loss_of(name: str, logits: Tensor, y: Tensor, config: dict[str, Any] | None = None) -> Tensor:
    return build(name, config, K=logits.shape[1], N=len(y), epoch=9).loss(logits, batch_of(y))


def p_of_label(logits: Tensor, y: Tensor) -> Tensor:
    return logits.softmax(1).gather(1, y[:, None]).squeeze(1)


def run(method: Method, data: TinyData, epochs: int) -> list[str]:
    phases = []
    for epoch in range(epochs):
        method.epoch = epoch
        method.train()
        torch.manual_seed(epoch)
        for batch in method.plan(epoch, data):
            result = method.step(batch)
            assert all(value.isfinite() and not value.requires_grad for value in result.values())
        phases.append(method.phase(epoch))
    return phases
