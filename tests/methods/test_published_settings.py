"""Defaults, lengths of phases and memories are those of the papers and official codes."""

from __future__ import annotations

import pytest

from benchmark.registry import METHODS
from methods.base import Method
from tests.golden.harness import make

PUBLISHED: dict[str, dict[str, float]] = {
    "jocor": {"co_lambda": 0.9},
    "dividemix": {"lambda_u": 25, "temperature": 0.5, "alpha": 4, "threshold": 0.5},
    "elr": {"lam": 3},
    "elr_plus": {"lam": 3, "alpha": 1},
    "cores": {"beta": 2},
    "pes": {"refine_lr": 1e-4},
    "plc": {"delta": 0.3, "increment": 0.1, "window": 5 / 180},
    "joint_optimization": {"alpha": 1.2, "beta": 0.8, "window": 10 / 320},
    "t_revision": {"lr_correction": 5e-7, "percentile": 97},
    "volminnet": {"lam": 1e-4, "init": 2, "lr": 0.01},
    "sop": {"lr_u": 10, "lr_v": 10, "init_std": 1e-8},
    "disc": {"sigma": 0.5, "cap": 0.99},
    "anl_ce": {"alpha": 5, "beta": 5, "delta": 5e-5, "weight_decay": 0},
    "gce": {"q": 0.7},
    "sce": {"alpha": 0.1, "beta": 1},
}
"""Numbers of the papers and official codes for CIFAR-10."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_settings(name: str) -> None:
    method: type[Method] = METHODS.load(name)
    given = method.Config()
    assert {option: getattr(given, option) for option in PUBLISHED[name]} == pytest.approx(PUBLISHED[name])


PHASES: dict[str, tuple[int, dict[int, str]]] = {
    "dividemix": (300, {9: "warm-up", 10: "divide"}),
    "disc": (200, {19: "warm-up", 20: "select"}),
    "coteaching": (200, {9: "ramp", 10: "select"}),
    "coteaching_plus": (200, {19: "initial", 20: "disagreement"}),
    "plc": (180, {8: "warm-up", 9: "correct"}),
    "pes": (211, {24: "early", 25: "late stages", 31: "late stages", 32: "head", 36: "head", 37: "confident"}),
    "peer": (300, {19: "warmup", 20: "rise", 39: "rise", 40: "peer"}),
    "fine": (120, {39: "warm-up", 40: "select"}),
    "cores": (100, {9: "warmup", 10: "regularize", 30: "regularize", 31: "sieve"}),
    "cal": (165, {64: "peer", 65: "covariance"}),
    "joint_optimization": (320, {69: "given labels", 70: "pseudo labels", 199: "pseudo labels", 200: "retrain"}),
    "gce_truncated": (120, {39: "all samples", 40: "truncated"}),
    "nls": (220, {119: "warmup", 120: "smooth"}),
    "t_revision": (400, {199: "reweight", 200: "revise"}),
}
"""Over the published number of epochs: the phase just before and after each change."""


@pytest.mark.parametrize("name", PHASES)
def test_phases_change_at_the_published_epochs(name: str) -> None:
    epochs, expected = PHASES[name]
    method = make(METHODS.load(name), K=3, N=6, epochs=epochs)
    assert {epoch: method.phase(epoch) for epoch in expected} == expected


LENGTHS: dict[str, tuple[int, dict[str, int]]] = {
    "dividemix": (300, {"ramp": 16}),
    "coteaching_plus": (200, {"ramp": 10}),
    "cores": (100, {"ramp": 30}),
    "aum": (300, {"margins": 150}),
}
"""Other lengths, over the published number of epochs."""


@pytest.mark.parametrize("name", LENGTHS)
def test_other_lengths_are_the_published_ones(name: str) -> None:
    epochs, expected = LENGTHS[name]
    schedule = make(METHODS.load(name), K=3, N=6, epochs=epochs).schedule
    assert {length: schedule.length(length) for length in expected} == expected


MEMORIES = {"elr": (120, 0.7), "elr_plus": (200, 0.7), "disc": (200, 0.99)}


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_last_as_long_as_published(name: str) -> None:
    epochs, decay = MEMORIES[name]
    method = make(METHODS.load(name), K=3, N=6, epochs=epochs, steps_per_epoch=352)
    assert method.schedule.decay(method.card.memories[0].name) == decay
    if name == "elr_plus":
        assert method.schedule.decay("ema_decay") == 0.997


@pytest.mark.parametrize("name", ["volminnet", "t_revision", "pes"])
def test_side_parameters_keep_their_learning_rate_in_a_run_of_the_published_length(name: str) -> None:
    card = METHODS.load(name).card
    epochs = sum(phase.epochs for phase in card.phases)
    schedule = make(METHODS.load(name), K=3, N=6, epochs=epochs, steps_per_epoch=352).schedule
    assert [schedule.rate_factor(phase.name) for phase in card.phases if phase.steps] == pytest.approx(
        [1.0] * sum(phase.steps is not None for phase in card.phases), abs=0.003
    )
