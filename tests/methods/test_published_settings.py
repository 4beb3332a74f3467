"""Defaults and lengths of phases are those of the papers and official codes."""

from __future__ import annotations

import pytest

from benchmark.registry import METHODS
from methods.base import Method
from tests.golden.harness import make

PUBLISHED: dict[str, dict[str, float]] = {
    "coteaching": {"ramp": 10 / 200},
    "coteaching_plus": {"ramp": 10 / 200, "initial": 20 / 200},
    "jocor": {"ramp": 10 / 200, "co_lambda": 0.9},
    "codis": {"ramp": 10 / 200},
    "dividemix": {
        "warmup": 10 / 300,
        "ramp": 16 / 300,
        "lambda_u": 25,
        "temperature": 0.5,
        "alpha": 4,
        "threshold": 0.5,
    },
    "elr": {"beta": 0.7, "lam": 3},
    "elr_plus": {"beta": 0.7, "lam": 3, "alpha": 1, "ema_decay": 0.997},
    "cores": {"beta": 2, "warmup": 10 / 100, "ramp": 30 / 100, "sieve": 30 / 100},
    "pes": {"first": 25 / 200, "second": 7 / 200, "third": 5 / 200, "refine_lr": 1e-4},
    "plc": {"delta": 0.3, "increment": 0.1, "warmup": 8 / 180},
    "t_revision": {"lr_correction": 5e-7, "percentile": 97},
    "volminnet": {"lam": 1e-4, "init": 2, "lr": 0.01},
    "sop": {"lr_u": 10, "lr_v": 10, "init_std": 1e-8},
    "disc": {"momentum": 0.99, "sigma": 0.5, "cap": 0.99},
    "anl_ce": {"alpha": 5, "beta": 5, "delta": 5e-5, "weight_decay": 0},
    "gce": {"q": 0.7},
    "sce": {"alpha": 0.1, "beta": 1},
}
"""Numbers of the papers and official codes for CIFAR-10, with epochs as fractions of the official ones."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_settings(name: str) -> None:
    method: type[Method] = METHODS.load(name)
    given = method.Config()
    assert {option: getattr(given, option) for option in PUBLISHED[name]} == pytest.approx(PUBLISHED[name])


PHASES: dict[str, tuple[int, dict[int, str]]] = {
    "dividemix": (300, {9: "warm-up", 10: "divide"}),
    "coteaching": (200, {9: "ramp", 10: "select"}),
    "coteaching_plus": (200, {19: "initial", 20: "disagreement"}),
    "plc": (180, {8: "warm-up", 9: "correct"}),
    "pes": (200, {24: "early", 25: "late stages", 31: "late stages", 32: "head", 36: "head", 37: "confident"}),
    "fine": (120, {39: "warm-up", 40: "select"}),
    "cores": (100, {9: "warmup", 10: "regularize", 30: "regularize", 31: "sieve"}),
    "gce_truncated": (120, {39: "all samples", 40: "truncated"}),
}
"""Over the published number of epochs: the phase just before and after each change."""


@pytest.mark.parametrize("name", PHASES)
def test_phases_change_at_the_published_epochs(name: str) -> None:
    epochs, expected = PHASES[name]
    method = make(METHODS.load(name), K=3, N=6, epochs=epochs)
    assert {epoch: method.phase(epoch) for epoch in expected} == expected
