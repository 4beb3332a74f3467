"""What methods with phases minimize in each of them, in NumPy: values, and slopes by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from methods.base import Hints
from methods.cal import CAL
from methods.small_loss import SmallLossControl
from methods.t_revision import TRevision
from tests.golden.harness import TinyData, batch_of, make

CLASSES = 3


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(1, keepdims=True)


def at(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    return values[np.arange(len(y)), y]


def slopes(function: Callable[[np.ndarray], float], place: np.ndarray, width: float = 1e-6) -> np.ndarray:
    """The derivatives of `function` by every entry of `place`, by central differences."""
    found = np.zeros_like(place)
    for entry in np.ndindex(place.shape):
        step = np.zeros_like(place)
        step[entry] = width
        found[entry] = (function(place + step) - function(place - step)) / (2 * width)
    return found


def drawn(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [size, K] and labels [size]."""
    rng = np.random.default_rng(seed)
    return 2 * rng.standard_normal((size, CLASSES)), rng.integers(CLASSES, size=size)


def loss_and_slopes(
    method: Any, z: np.ndarray, y: np.ndarray, *further: torch.Tensor, index: np.ndarray | None = None
) -> tuple[float, list[np.ndarray]]:
    """The loss of logits `z` and labels `y` of the samples `index`, and its derivatives by `z` and by `further`."""
    leaf = torch.tensor(z, requires_grad=True)
    batch = batch_of(torch.tensor(y), None if index is None else torch.tensor(index))
    loss = method.loss(leaf, batch)
    return loss.item(), [grad.numpy() for grad in torch.autograd.grad(loss, [leaf, *further])]


# ---- small losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 11])
@pytest.mark.parametrize("source", ["option", "noise rate"])
def test_small_loss_trains_in_every_epoch_on_as_many_of_the_smallest_losses_as_its_ramp_says(
    source: str, size: int
) -> None:
    rate = {"forget_rate": 0.45} if source == "option" else {}
    hints = Hints(given_noise_rate=0.2 if source == "option" else 0.45)
    method = make(SmallLossControl, {"ramp": 0.4, **rate}, K=CLASSES, N=size, epochs=10, hints=hints)
    for epoch in range(10):
        method.epoch = epoch
        z, y = drawn(epoch, size)
        each = -np.log(at(softmax(z), y))
        forgotten = 0.45 * min(epoch / (4 - 1), 1)  # Co-teaching's R(t), T_k = 4
        kept = np.argsort(each)[: max(1, int(np.floor((1 - forgotten) * size)))]
        loss, (slope,) = loss_and_slopes(method, z, y)
        assert loss == pytest.approx(each[kept].mean())
        assert set(np.flatnonzero(slope.any(1))) == {*kept.tolist()}
        report = method.kit.reports[-1]
        assert set(np.flatnonzero(report["kept"])) == {*kept.tolist()}
        np.testing.assert_allclose(report["score"], -each)
    assert len(method.kit.reports) == 10


# ---- CAL ---------------------------------------------------------------------------------------------------


def test_cal_takes_the_covariance_around_the_means_of_the_last_epoch_off_the_loss_of_its_second_step() -> None:
    size, alpha = 24, 0.7
    z, y = drawn(1, size)
    clean = np.where(np.arange(size) % 3 == 0, (y + 1) % CLASSES, y)
    data = TinyData(torch.zeros(size, 4, dtype=torch.float64), torch.tensor(y), CLASSES, size)
    method = make(CAL, {"sieve": 0.5, "alpha_first": 3.0, "alpha_second": alpha}, K=CLASSES, N=size, epochs=10)
    method.plan(0, data)
    method.adopt(torch.tensor(clean), data.y)
    mean_loss = np.zeros((CLASSES, CLASSES))  # until an epoch of the second step has ended
    for epoch in (6, 7, 8):  # the first step has ended with epoch 4
        method.epoch = epoch
        method.plan(epoch, data)
        z = z + np.random.default_rng(epoch).standard_normal(z.shape)
        weight = alpha * min(((epoch - 5) / 5 - 0.1) / 0.3, 1)
        # Only over all samples do flips from their frequencies sum to 0, so that the means would not matter.
        for index in np.random.default_rng(epoch).permutation(size).reshape(3, 8):
            expected = partial(second_step, y=y, clean=clean, index=index, weight=weight, mean_loss=mean_loss)
            loss, (slope,) = loss_and_slopes(method, z[index], y[index], index=index)
            assert loss == pytest.approx(expected(z[index]), rel=1e-6)
            np.testing.assert_allclose(slope, slopes(expected, z[index]), atol=1e-6)
        losses = -np.log(softmax(z) + 1e-5)
        mean_loss = np.stack([losses[clean == i].mean(0) for i in range(CLASSES)])


def second_step(
    z: np.ndarray, *, y: np.ndarray, clean: np.ndarray, index: np.ndarray, weight: float, mean_loss: np.ndarray
) -> float:
    """CAL's loss of the logits `z` [B, K] of the samples `index` [B], all of which have the labels `y` [N]."""
    p = softmax(z)
    losses = -np.log(p + 1e-5)
    prior = np.bincount(y, minlength=CLASSES) / len(y)
    loss = -np.log(at(p, y[index]) + 1e-8).mean() - weight * (losses @ prior).mean()
    return loss - covariance(losses, y, clean, index, mean_loss)


def covariance(losses: np.ndarray, y: np.ndarray, clean: np.ndarray, index: np.ndarray, mean_loss: np.ndarray) -> float:
    """sum_i P(d = i) sum_j Cov(1{y = j}, l_j | d = i) over the batch `index` [B], of its `losses` [B, K]."""
    total = 0.0
    for i in range(CLASSES):
        inside = clean[index] == i
        for j in range(CLASSES):
            flipped = (y[index][inside] == j) - (y[clean == i] == j).mean()
            total += (
                (clean == i).mean() * (flipped * (losses[inside, j] - mean_loss[i, j])).sum() / max(inside.sum(), 1)
            )
    return total


def test_cal_knows_no_covariance_in_its_first_step() -> None:
    z, y = drawn(2, 9)
    method = make(CAL, {"sieve": 0.5, "alpha_first": 3.0, "alpha_second": 0.7}, K=CLASSES, N=9, epochs=10, epoch=4)
    p = softmax(z)
    expected = -np.log(at(p, y) + 1e-8).mean() + 3 * np.log(p + 1e-5).mean()  # labels are equally frequent so far
    assert loss_and_slopes(method, z, y)[0] == pytest.approx(expected)
    assert not method.loss_sum.any()


# ---- T-Revision --------------------------------------------------------------------------------------------

T = np.array([[0.7, 0.2, 0.1], [0.05, 0.8, 0.15], [0.3, 0.02, 0.68]])
DELTA = np.array([[0.05, -0.02, 0.01], [-0.08, 0.03, 0.02], [0.04, 0.06, -0.01]])
"""A correction that makes one entry of T negative."""


def revised(epoch: int) -> Any:
    """T-Revision in `epoch` of 10, whose second step begins with epoch 5."""
    config = {"estimate": "oracle", "revision": 0.5, "lr_correction": 0.01}
    hints = Hints(given_transition=torch.tensor(T))
    method = make(TRevision, config, K=CLASSES, N=8, epochs=10, epoch=epoch, hints=hints)
    method.correction.data.copy_(torch.tensor(DELTA))
    return method


def reweighted(z: np.ndarray, y: np.ndarray, matrix: np.ndarray, weigh_by: np.ndarray) -> float:
    """The mean of b * CE, b = p_y / (T^t p)_y; `weigh_by` are the logits that b is of."""
    p = softmax(weigh_by)
    return -(at(p, y) / at(p @ matrix, y) * np.log(at(softmax(z), y))).mean()


@pytest.mark.parametrize("epoch", [0, 4])
def test_t_revision_first_weighs_by_t_alone_and_by_constants(epoch: int) -> None:
    z, y = drawn(3, 8)
    method = revised(epoch)
    leaf = torch.tensor(z, requires_grad=True)
    loss = method.loss(leaf, batch_of(torch.tensor(y)))
    assert loss.item() == pytest.approx(reweighted(z, y, T, z))
    (slope,) = torch.autograd.grad(loss, leaf)
    np.testing.assert_allclose(slope, slopes(lambda at_z: reweighted(at_z, y, T, z), z), atol=1e-7)


@pytest.mark.parametrize("epoch", [5, 9])
def test_t_revision_then_weighs_by_the_corrected_t_and_learns_through_the_weights(epoch: int) -> None:
    z, y = drawn(3, 8)
    method = revised(epoch)
    loss, (slope, correction) = loss_and_slopes(method, z, y, method.correction)
    assert loss == pytest.approx(reweighted(z, y, T + DELTA, z))
    np.testing.assert_allclose(slope, slopes(lambda at_z: reweighted(at_z, y, T + DELTA, at_z), z), atol=1e-6)
    expected = slopes(lambda delta: reweighted(z, y, T + delta, z), DELTA)
    np.testing.assert_allclose(correction, expected, atol=1e-6)


@pytest.mark.parametrize("epoch", [4, 5, 9])
def test_t_revision_moves_and_reports_its_correction_and_predicts_clean_labels_without_it(epoch: int) -> None:
    method = revised(epoch)
    x = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    data = TinyData(x, torch.arange(8) % CLASSES, CLASSES)
    for batch in method.plan(epoch, data):
        method.step(batch)
    assert torch.equal(method.predict(x), method.net(x)), "the network itself is the clean classifier"
    correction = method.correction.detach().numpy()
    assert (correction != DELTA).any() == (epoch >= 5)
    whole = np.maximum(T + correction, 0)
    np.testing.assert_allclose(method.kit.transitions[-1], whole / whole.sum(1, keepdims=True), rtol=1e-6)
