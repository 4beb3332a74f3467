"""Losses with every option at a value of its own: the papers' formulas, in NumPy and of plain probabilities.

Where two options have the same value, a loss that takes one for the other cannot be told from a right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from tests.golden.harness import batch_of
from tests.methods.loss_lab import LOSSES, build, loss_of, method_class

Y = np.array([0, 1, 2, 3, 1, 3, 0])
P = np.random.default_rng(7).dirichlet(np.full(4, 0.6), len(Y)).clip(1e-3)
P /= P.sum(1, keepdims=True)
"""Probabilities [7, 4] that reach from 1e-3 to nearly 1."""


def at(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    return values[np.arange(len(y)), y]


def share(terms: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The label's term over those of all classes."""
    return at(terms, y) / terms.sum(1)


def nce(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return share(-np.log(p), y)


def focal(p: np.ndarray, gamma: float) -> np.ndarray:
    return -((1 - p) ** gamma) * np.log(p)


def generalized(p: np.ndarray, q: float) -> np.ndarray:
    return (1 - p**q) / q


def entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p)).sum(1)


def divergence(p: np.ndarray, m: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / m), 0).sum(1)


# ---- the formulas: [B] losses of p [B, K] and y [B] ----------------------------------------------------------


def ael(p: np.ndarray, y: np.ndarray, a: float, alpha: float, beta: float) -> np.ndarray:
    return alpha * nce(p, y) + beta * np.exp(-at(p, y) / a)


def agce(p: np.ndarray, y: np.ndarray, a: float, q: float, alpha: float, beta: float) -> np.ndarray:
    return alpha * nce(p, y) + beta * ((a + 1) ** q - (a + at(p, y)) ** q) / q


def aul(p: np.ndarray, y: np.ndarray, a: float, q: float, alpha: float, beta: float) -> np.ndarray:
    return alpha * nce(p, y) + beta * ((a - at(p, y)) ** q - (a - 1) ** q) / q


def anl_ce(
    p: np.ndarray, y: np.ndarray, alpha: float, beta: float, gamma: float, min_prob: float, entropy: float, **_: Any
) -> np.ndarray:
    """Without delta ||theta||_1."""
    worst = focal(np.array(min_prob), gamma)
    negative = 1 - share(worst - np.minimum(focal(p, gamma), worst), y)
    mean = p.mean(0)
    return alpha * share(focal(p, gamma), y) + beta * negative + entropy * (mean * np.log(len(mean) * mean)).sum()


def bi_tempered(p: np.ndarray, y: np.ndarray, t1: float, t2: float, smoothing: float, iterations: int) -> np.ndarray:
    def log(x: np.ndarray) -> np.ndarray:
        return (x ** (1 - t1) - 1) / (1 - t1)

    def tempered(z: np.ndarray, c: np.ndarray) -> np.ndarray:
        return (1 + (1 - t2) * (z - c[:, None])) ** (1 / (1 - t2))

    z, classes = np.log(p), p.shape[1]
    # The normalization by bisection: the sum falls as c rises, and is infinite at max z - 1 / (t2 - 1).
    low = z.max(1) - 1 / (t2 - 1) + 1e-9
    high = low + 1000
    for _ in range(200):
        middle = (low + high) / 2
        above = tempered(z, middle).sum(1) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    q = tempered(z, high)
    target = np.full(p.shape, smoothing / (classes - 1))
    target[np.arange(len(y)), y] = 1 - smoothing
    terms = target * (log(target) - log(q)) - (target ** (2 - t1) - q ** (2 - t1)) / (2 - t1)
    return terms.sum(1)


def cores(p: np.ndarray, y: np.ndarray, beta: float, eps: float, **_: Any) -> np.ndarray:
    """After the last phase has begun."""
    loss, mean = -np.log(at(p, y)), -np.log(p + eps).mean(1)
    return (loss - beta * mean)[loss <= mean]


def js(p: np.ndarray, y: np.ndarray, label_weight: float, scaled: bool) -> np.ndarray:
    w, label = label_weight, np.eye(p.shape[1])[y]
    mean = w * label + (1 - w) * p
    scale = -1 / ((1 - w) * math.log(1 - w)) if scaled else 1
    return scale * (w * divergence(label, mean) + (1 - w) * divergence(p, mean))


def logit_clip(p: np.ndarray, y: np.ndarray, tau: float, norm: float) -> np.ndarray:
    z = np.log(p)
    length = (np.abs(z) ** norm).sum(1, keepdims=True) ** (1 / norm)
    z = np.where(length > tau, tau * z / length, z)
    return np.log(np.exp(z).sum(1)) - at(z, y)


def nce_rce(p: np.ndarray, y: np.ndarray, alpha: float, beta: float, label_floor: float, gamma: float) -> np.ndarray:
    return alpha * share(focal(p, gamma), y) - beta * math.log(label_floor) * (1 - at(p, y))


def peer(p: np.ndarray, y: np.ndarray, alpha: float, eps: float, eps_base: float, **_: Any) -> np.ndarray:
    """With equally frequent labels."""
    return -np.log(at(p, y) + eps_base) + alpha * np.log(p + eps).mean(1)


def phuber(p: np.ndarray, y: np.ndarray, tau: float, q: float) -> np.ndarray:
    edge = tau ** (1 / (q - 1))  # where the slope -p^(q - 1) is -tau
    given = at(p, y)
    return np.where(given > edge, generalized(given, q), generalized(edge, q) + tau * (edge - given))


def sce(p: np.ndarray, y: np.ndarray, alpha: float, beta: float, label_floor: float) -> np.ndarray:
    return -alpha * np.log(at(p, y)) - beta * math.log(label_floor) * (1 - at(p, y))


def smoothed(p: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
    return -(1 - rate) * np.log(at(p, y)) - rate * np.log(p).mean(1)


def taylor(p: np.ndarray, y: np.ndarray, order: int) -> np.ndarray:
    power = np.arange(1, order + 1)
    return ((1 - at(p, y))[:, None] ** power / power).sum(1)


@dataclass(frozen=True)
class Formula:
    """The loss of a method with `options`."""

    method: str
    options: dict[str, Any]
    rows: Callable[..., np.ndarray]


WEIGHTS = {"alpha": 0.6, "beta": 2.3}
ANL = {"alpha": 2.1, "beta": 0.7, "gamma": 1.5, "min_prob": 0.02, "entropy": 0.4, "delta": 0.03, "weight_decay": 0.01}
FORMULAS = [
    Formula("ael", {"a": 1.7, **WEIGHTS}, ael),
    Formula("agce", {"a": 1.7, "q": 0.8, **WEIGHTS}, agce),
    Formula("aul", {"a": 1.7, "q": 0.8, **WEIGHTS}, aul),
    Formula("anl_ce", ANL, anl_ce),
    Formula("bi_tempered", {"t1": 0.6, "t2": 1.5, "smoothing": 0.25, "iterations": 60}, bi_tempered),
    Formula(
        "bootstrap_hard", {"beta": 0.7}, lambda p, y, beta: -beta * np.log(at(p, y)) - (1 - beta) * np.log(p.max(1))
    ),
    Formula("bootstrap_soft", {"beta": 0.7}, lambda p, y, beta: -beta * np.log(at(p, y)) + (1 - beta) * entropy(p)),
    Formula("cores", {"beta": 1.3, "eps": 0.02, "warmup": 0.1, "ramp": 0.3, "sieve": 0.5}, cores),
    Formula("focal", {"gamma": 1.5, "normalized": True}, lambda p, y, gamma, normalized: share(focal(p, gamma), y)),
    Formula("focal", {"gamma": 1.5, "detach_factor": True}, lambda p, y, gamma, detach_factor: at(focal(p, gamma), y)),
    Formula("gce", {"q": 0.4}, lambda p, y, q: at(generalized(p, q), y)),
    Formula("gce", {"q": 0.4, "normalized": True}, lambda p, y, q, normalized: share(generalized(p, q), y)),
    Formula("js", {"label_weight": 0.3, "scaled": True}, js),
    Formula("js", {"label_weight": 0.3, "scaled": False}, js),
    Formula("label_smoothing", {"epsilon": 0.3}, lambda p, y, epsilon: smoothed(p, y, epsilon)),
    Formula("logit_clip", {"tau": 0.8, "norm": 3.0}, logit_clip),
    Formula("mae", {"scale": 1.3}, lambda p, y, scale: scale * (1 - at(p, y))),
    Formula("nce_mae", WEIGHTS, lambda p, y, alpha, beta: alpha * nce(p, y) + beta * (1 - at(p, y))),
    Formula("nce_rce", {**WEIGHTS, "label_floor": 0.02, "gamma": 0.9}, nce_rce),
    Formula("nls", {"smooth_rate": -0.7, "warmup": 0.2}, lambda p, y, smooth_rate, warmup: smoothed(p, y, smooth_rate)),
    Formula(
        "peer", {"alpha": 0.6, "eps": 0.02, "eps_base": 3e-3, "warmup": 0.1, "ramp_end": 0.4, "pairing": "prior"}, peer
    ),
    Formula("phuber", {"tau": 3.0, "q": 0.4}, phuber),
    Formula(
        "rce", {"label_floor": 0.02, "scale": 1.3}, lambda p, y, label_floor, scale: sce(p, y, 0, scale, label_floor)
    ),
    Formula("sce", {**WEIGHTS, "label_floor": 0.02}, sce),
    Formula(
        "strong_ce",
        {"epsilon": 0.3, "held": 0.2, "weight_decay": 0.01, "decay": 0.9},
        lambda p, y, epsilon, **_: smoothed(p, y, epsilon),
    ),
    Formula("taylor_ce", {"order": 3}, taylor),
]
IDS = [f"{formula.method}-{number}" for number, formula in enumerate(FORMULAS)]
WITHOUT = {"batch_flip", "gce_truncated"}
"""The first draws its labels, the second's loss depends on what it pruned: other tests and goldens have them."""


def numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if type(value) in (int, float)}


@pytest.mark.parametrize("formula", FORMULAS, ids=IDS)
def test_the_loss_is_the_formula_of_its_paper_with_every_option_in_its_place(formula: Formula) -> None:
    expected = formula.rows(P, Y, **formula.options).mean()
    method = build(formula.method, formula.options, K=P.shape[1], N=len(Y), epoch=9)
    if formula.method == "anl_ce":
        expected += ANL["delta"] * sum(weight.abs().sum().item() for weight in method.net.parameters())
    found = method.loss(torch.tensor(P).log(), batch_of(torch.tensor(Y)))
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("formula", FORMULAS, ids=IDS)
def test_no_two_options_have_the_same_value_and_none_its_default(formula: Formula) -> None:
    given, fields = numbers(formula.options), method_class(formula.method).Config.model_fields
    assert len({*given.values()}) == len(given)
    assert not [name for name, value in given.items() if value == fields[name].default]
    assert {*numbers({name: field.default for name, field in fields.items()})} <= {*formula.options}


def test_every_loss_with_options_has_its_formula() -> None:
    with_options = {name for name in LOSSES if method_class(name).Config.model_fields}
    assert with_options - WITHOUT == {formula.method for formula in FORMULAS} - {"strong_ce"}


def test_detached_factors_leave_the_value_and_weigh_the_gradient_of_cross_entropy() -> None:
    z = torch.tensor(P).log().requires_grad_()
    loss = loss_of("focal", z, torch.tensor(Y), {"gamma": 1.5, "detach_factor": True})
    (gradient,) = torch.autograd.grad(loss, z)
    factor = (1 - at(P, Y)[:, None]) ** 1.5
    np.testing.assert_allclose(gradient.numpy(), factor * (P - np.eye(4)[Y]) / len(Y), rtol=1e-9, atol=1e-12)
