"""Which optimizers a method asks for, over which parameters, and how they differ from the recipe's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from benchmark.registry import METHODS
from methods import Hints
from tests.golden.harness import TinyKit

OFFICIAL_STEPS = 10**6
"""Per epoch: more than in any paper, so that no learning rate of a side parameter is raised."""

ONE: dict[str, dict[str, Any]] = {"net": {}}
TWO: dict[str, dict[str, Any]] = {"net": {}, "net2": {}}
FREE = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "scheduled": False}
"""Plain gradient descent at a constant rate."""
LATE = {"optimizer": "adam", "lr": 1e-4, "weight_decay": 0.0, "scheduled": False}

PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "anl_ce": {"net": {"weight_decay": 0}},  # the L1 term takes its place
    "aum": {"net": {}, "scorer0": {"scheduled": False}, "scorer1": {"scheduled": False}},  # before the rate drops
    "cdr": {"net": {"weight_decay": 1e-3}},
    "codis": TWO,
    "coteaching": TWO,
    "coteaching_plus": TWO,
    "dividemix": TWO,
    "elr_plus": TWO,
    "jocor": TWO,
    "knn": {},
    "meta_weight_net": {  # Adam(lr=1e-3, weight_decay=1e-4) in the official code
        **ONE,
        "weight_net": {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-4, "scheduled": False},
    },
    "pes": {**ONE, "last2": LATE, "last1": LATE},  # Adam(lr=PES_lr) in the official code
    "pes_semi": {**ONE, "last1": LATE},
    "promix": {**TWO, "pseudo": {}, "pseudo2": {}},
    "sop": {**ONE, "u": FREE | {"lr": 10}, "v": FREE | {"lr": 10}},
    "strong_ce": {"net": {"weight_decay": 5e-4}},
    "t_revision": {**ONE, "correction": {"optimizer": "adam", "lr": 5e-7, "weight_decay": 1e-4, "scheduled": False}},
    "unicon": {**TWO, "projection": {}, "projection2": {}},
    "volminnet": {**ONE, "transition": {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0}},
}
"""Optimizer -> what it has of its own; it follows the schedule unless said. All others have one for one network."""


@dataclass
class AskedKit(TinyKit):
    """Keeps what every optimizer was asked for, and how many numbers it moves."""

    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)

    def optimizer(
        self, name: str, params: Iterable[Any], *, scheduled: bool = True, **overrides: Any
    ) -> torch.optim.Optimizer:
        given = list(params)
        self.moved[name] = sum(value.numel() for value in given)
        self.asked[name] = overrides | ({} if scheduled else {"scheduled": False})
        return super().optimizer(name, given, scheduled=scheduled, **overrides)


def built(name: str) -> Any:
    method = METHODS.load(name)
    hints = Hints(given_noise_rate=0.2)
    kit = AskedKit(num_classes=3, num_samples=6, epochs=10, steps_per_epoch=OFFICIAL_STEPS, hints=hints)
    return method(method.Config(), kit)


NAMES = [entry.name for entry in METHODS.entries()]


@pytest.mark.parametrize("name", NAMES)
def test_optimizers_differ_from_the_recipe_as_published(name: str) -> None:
    assert built(name).kit.asked == PUBLISHED.get(name, ONE)


@pytest.mark.parametrize("name", NAMES)
def test_every_trained_parameter_has_an_optimizer(name: str) -> None:
    method = built(name)
    ours = {"average", "average2", "best"}  # moving averages, which no gradient moves
    trained = {key: value for key, value in method.named_parameters() if key.split(".")[0] not in ours}
    held = {id(value) for optimizer in method.kit.optimizers.values() for value in optimizer.param_groups[0]["params"]}
    assert {key for key, value in trained.items() if id(value) not in held} == set()


@pytest.mark.parametrize(("name", "count"), [("last2", 4 * 5 + 5 + 5 * 3 + 3), ("last1", 5 * 3 + 3)])
def test_pes_refines_the_last_stages_only(name: str, count: int) -> None:
    assert built("pes").kit.moved[name] == count
