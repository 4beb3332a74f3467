"""Controls and methods with state or phases: flips, pruning, sieve, peers, mixup, averages, SAM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from methods import _mixup
from methods._mixup import beta_weight, mixup, one_hot
from methods.base import Batch
from methods.sam import frozen_statistics
from tests.golden.harness import TinyData, batch_of, recorded
from tests.methods.loss_lab import FURTHER, LOSSES, build, loss_of, p_of_label, run


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(13, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def y() -> Tensor:
    return torch.arange(13) % 7


@pytest.fixture
def data() -> TinyData:
    x = torch.randn(24, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return TinyData(x=x, y=(x[:, 0] > 0).long() + (x[:, 1] > 0).long(), num_classes=3)


# ---- batch_flip ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["bernoulli", "exact"])
@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 128])
def test_batch_flip_realizes_its_rate_at_every_batch_size(mode: str, size: int) -> None:
    torch.manual_seed(size)
    rho, rounds = 0.05, 2_000 + 10_000 // size
    method = build("batch_flip", {"rho": rho, "mode": mode}, K=9)
    y = torch.arange(size) % 9
    rate = torch.stack([(method.flip(y, 9) != y).double().mean() for _ in range(rounds)]).mean().item()
    # 5 standard deviations of a mean of independent flips bound both modes.
    assert abs(rate - rho) < 5 * math.sqrt(rho * (1 - rho) / (rounds * size))


@given(size=st.integers(1, 200), rho=st.floats(0, 0.99), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_exact_mode_flips_the_floor_or_the_ceiling(size: int, rho: float, seed: int) -> None:
    torch.manual_seed(seed)
    y = torch.randint(0, 5, (size,))
    flipped = int((build("batch_flip", {"rho": rho, "mode": "exact"}, K=5).flip(y, 5) != y).sum())
    assert math.floor(rho * size - 1e-3) <= flipped <= math.ceil(rho * size + 1e-3)


def test_flipped_labels_are_uniform_over_the_other_classes() -> None:
    torch.manual_seed(0)
    y = torch.full((60_000,), 2)
    counts = build("batch_flip", {"rho": 0.8}, K=5).flip(y, 5).bincount(minlength=5) / len(y)
    torch.testing.assert_close(counts, torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2]), atol=0.01, rtol=0)


def test_expected_gradient_of_batch_flip_is_label_smoothing() -> None:
    rho, classes = 0.05, 9
    z = torch.randn(6, classes, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    y = torch.tensor([0, 3, 8, 4, 4, 1])

    def gradient(loss: Any) -> Tensor:
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(loss(leaf), leaf)[0]

    # The expectation over flips, taken exactly: each label moves to each of the other classes in turn.
    mean = (1 - rho) * gradient(lambda leaf: F.cross_entropy(leaf, y))
    for move in range(1, classes):
        mean += rho / (classes - 1) * gradient(lambda leaf, m=move: F.cross_entropy(leaf, (y + m) % classes))
    epsilon = rho * classes / (classes - 1)
    assert epsilon == pytest.approx(0.05625)
    smoothed = gradient(lambda leaf: loss_of("label_smoothing", leaf, y, {"epsilon": epsilon}))
    torch.testing.assert_close(mean, smoothed)

    torch.manual_seed(0)
    method = build("batch_flip", {"rho": rho}, K=classes)
    sampled = gradient(
        lambda leaf: torch.stack([F.cross_entropy(leaf, method.flip(y, classes)) for _ in range(4000)]).mean()
    )
    torch.testing.assert_close(sampled, smoothed, atol=3e-3, rtol=0)


# ---- state and phases ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LOSSES, *FURTHER])
def test_an_eight_epoch_run_enters_every_phase_and_learns(name: str, data: TinyData) -> None:
    method = build(name, K=3, N=24, epochs=8)
    before = method.predict(data.x).detach().clone()
    assert set(run(method, data, 8)) == set(method.card.phase_names)
    after = method.eval().predict(data.x)
    assert after.shape == (24, 3)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", [*LOSSES, *FURTHER])
def test_a_resumed_run_is_bit_identical(name: str, data: TinyData) -> None:
    whole = build(name, K=3, N=24, epochs=8)
    run(whole, data, 3)
    resumed = build(name, K=3, N=24, epochs=8)
    resumed.load_state_dict(whole.state_dict())
    for method in (whole, resumed):
        method.epoch = 3
        torch.manual_seed(3)
        for batch in method.plan(3, data):
            method.step(batch)
    assert torch.equal(whole.predict(data.x), resumed.predict(data.x))


def test_gce_prunes_labels_below_k_from_its_start_on(data: TinyData) -> None:
    method = build("gce_truncated", {"k": 0.3}, K=3, N=24, epochs=9)
    run(method, data, 3)
    assert method.kept.all()
    method.epoch = 3
    list(method.plan(3, data))
    expected = p_of_label(method.net(data.x), data.y) > 0.3
    assert torch.equal(method.kept, expected)
    assert 0 < expected.sum() < 24
    logits = torch.zeros(24, 3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(method.loss(logits, batch_of(data.y)), logits)
    assert torch.equal(grad.abs().sum(1) > 0, expected)


def test_cores_where_nothing_is_kept_gives_zero_without_nan() -> None:
    y = torch.tensor([0, 1])
    wrong = torch.tensor([[-60.0, 60, 0], [60, -60, 0]], dtype=torch.float64, requires_grad=True)
    method = build("cores", K=3, N=2, epochs=8, epoch=7)
    loss = method.loss(wrong, batch_of(y))
    (grad,) = torch.autograd.grad(loss, wrong)
    assert loss.item() == 0
    assert torch.equal(grad, torch.zeros_like(grad))
    assert not method.kit.reports[-1]["kept"].any()


def test_cores_is_cross_entropy_during_its_warmup(logits: Tensor, y: Tensor) -> None:
    loss = build("cores", K=7, N=13, epoch=0).loss(logits, batch_of(y))
    assert loss.item() == pytest.approx(F.cross_entropy(logits, y).item())


def test_peer_weight_rises_from_zero_to_alpha() -> None:
    method = build("peer", epochs=300)
    assert [method.weight(epoch) for epoch in (0, 20, 39, 40, 299)] == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert method.weight(30) == pytest.approx(10 / 19)
    assert [build("peer", epochs=8).weight(epoch) for epoch in (2, 3)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "epochs", "epoch", "weight"),
    [
        ("peer", 300, 29, 9 / 19),
        ("peer", 300, 200, 1.0),
        ("cores", 100, 25, 15 / 29 * 2),
        ("cores", 100, 99, 2.0),
        ("cal", 165, 164, 1.0),
    ],
)
def test_the_weight_of_a_peer_term_slows_the_learning_rate_down(
    name: str, epochs: int, epoch: int, weight: float
) -> None:
    method = build(name, K=3, N=24, epochs=epochs)
    method.plan(epoch, TinyData(torch.zeros(24, 4, dtype=torch.float64), torch.arange(24) % 3, 3))
    assert method.optimizer.param_groups[0]["lr"] == pytest.approx(method.kit.lr / (1 + weight))


def test_cores_weighs_classes_by_the_labels_that_the_last_epoch_kept() -> None:
    y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])
    data = TinyData(torch.zeros(8, 4, dtype=torch.float64), y, 3)
    method = build("cores", K=3, N=8, epochs=8, epoch=7)
    method.plan(6, data)
    assert method.frequency.tolist() == [4 / 8, 3 / 8, 1 / 8]
    logits = torch.zeros(8, 3, dtype=torch.float64)
    logits[torch.arange(8), y] = 5.0
    logits[:3] = torch.tensor([-5.0, 5.0, 0.0])  # three labels of class 0 are contradicted
    method.loss(logits, batch_of(y))
    method.plan(7, data)
    assert method.frequency.tolist() == [1 / 5, 3 / 5, 1 / 5]
    method.plan(8, data)
    assert method.frequency.tolist() == [4 / 8, 3 / 8, 1 / 8], "the count starts anew in every epoch"


def test_random_peers_average_to_the_exact_peer_term(logits: Tensor) -> None:
    y = torch.arange(13) % 7
    method = build("peer", {"alpha": 5.0}, K=7, epochs=10, epoch=9)
    base = method.difference(logits, y, logits, y) + 5 * method_term(logits, y)
    torch.manual_seed(0)
    mean = sum(method.loss(logits, batch_of(y)) for _ in range(3000)) / 3000
    pairs = torch.stack([method_term(logits, y.roll(shift)) for shift in range(1, 13)]).mean()
    assert mean.item() == pytest.approx((base - 5 * pairs).item(), abs=0.15)


def method_term(logits: Tensor, y: Tensor) -> Tensor:
    return -(logits.softmax(1) + 1e-5).log().gather(1, y[:, None]).mean()


@pytest.mark.parametrize("pairing", ["random", "prior"])
def test_the_peer_term_has_an_eps_of_its_own(pairing: str) -> None:
    config = {"eps": 0.2, "eps_base": 0.05, "alpha": 0.5, "pairing": pairing}
    method = build("peer", config, K=2, N=2, epochs=10, epoch=9)
    p = np.array([[0.7, 0.3], [0.4, 0.6]])
    method.plan(9, TinyData(torch.zeros(2, 4, dtype=torch.float64), torch.tensor([0, 1]), 2))
    base = -(np.log(0.7 + 0.05) + np.log(0.6 + 0.05)) / 2
    # Of two samples each has the label of the other; in the mean over labels every sample has every label.
    unrelated = np.array([0.3, 0.4]) if pairing == "random" else p
    peer = -np.log(unrelated + 0.2).mean()
    loss = method.loss(torch.from_numpy(np.log(p)), batch_of(torch.tensor([0, 1])))
    assert loss.item() == pytest.approx(base - 0.5 * peer)


def test_nls_starts_with_cross_entropy(logits: Tensor, y: Tensor) -> None:
    method = build("nls", {"smooth_rate": -1.0}, K=7, epochs=10)
    assert method.loss(logits, batch_of(y)).item() == pytest.approx(F.cross_entropy(logits, y).item())
    method.epoch = 5
    negative = 2 * F.cross_entropy(logits, y) + logits.log_softmax(1).mean()
    assert method.loss(logits, batch_of(y)).item() == pytest.approx(negative.item())


# ---- mixup, averages, SAM --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 7])
def test_mixup_mixes_samples_and_targets_with_one_weight(size: int) -> None:
    torch.manual_seed(size)
    x = torch.eye(size)
    mixed, targets = mixup(x, torch.eye(size), 1.0)
    assert torch.equal(mixed, targets)
    torch.testing.assert_close(targets.sum(1), torch.ones(size))
    off = targets - torch.diag(targets.diagonal())
    weights = off[off > 0].unique()
    assert len(weights) <= 1 or torch.allclose(weights, weights[0])


def test_dominant_mixup_keeps_each_row_the_larger_part() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        _, targets = mixup(torch.eye(5), torch.eye(5), 4.0, dominant=True)
        assert (targets.diagonal() >= 0.5).all()


def test_mixup_weight_follows_the_beta_distribution() -> None:
    torch.manual_seed(0)
    draws = torch.stack([beta_weight(4.0) for _ in range(4000)])
    assert draws.mean().item() == pytest.approx(0.5, abs=0.01)
    assert draws.var().item() == pytest.approx(1 / (4 * (2 * 4 + 1)), rel=0.1)


def test_mixup_step_trains_on_the_mixture(data: TinyData) -> None:
    method, twin = build("mixup", K=3, N=24), build("ce", K=3, N=24)
    batch = next(iter(data.batches()))
    torch.manual_seed(0)
    method.step(batch)
    torch.manual_seed(0)
    x, targets = mixup(batch.x[0], one_hot(batch.y, 3), 1.0)
    loss = -(targets * twin.net(x).log_softmax(1)).sum(1).mean()
    twin.kit.update(loss, twin.optimizer)
    torch.testing.assert_close(method.predict(data.x), twin.predict(data.x))


@pytest.mark.parametrize(("name", "further", "drawn"), [("ema", {}, set()), ("mixup_ema", {"alpha": 0.3}, {(0.3,)})])
def test_averages_are_what_their_decay_gives_and_mixtures_what_alpha_gives(
    name: str, further: dict[str, float], drawn: set[tuple[float]], data: TinyData
) -> None:
    method = build(name, {"decay": 0.5, **further}, K=3, N=24)
    expected = method.net.body.weight.detach().clone()
    batches = list(method.plan(0, data))
    for step, batch in enumerate(batches):
        with recorded(_mixup, "beta_weight") as draws:
            method.step(batch)
        assert {draw.args for draw in draws} == drawn
        decay = min(0.5, 1 - (1 + step) ** (-2 / 3))
        expected = decay * expected + (1 - decay) * method.net.body.weight.detach()
    torch.testing.assert_close(method.average.module.body.weight, expected)
    assert not torch.equal(method.predict(data.x), method.net(data.x))
    assert any(key.startswith("average.module.") for key in method.state_dict())


def test_sam_steps_from_the_start_with_the_gradient_at_the_perturbed_weights() -> None:
    """Worked by hand on one weight: logits (w x, 0), y = 0, so the loss is log(1 + exp(-w x))."""
    method = build("sam", {"rho": 0.5}, K=2, lr=0.1)

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.w * x, torch.zeros_like(x)], 1)

    method.net = Line()
    method.optimizer = method.kit.optimizer("line", method.net.parameters())
    x = torch.full((1, 1, 1), 2.0, dtype=torch.float64)
    method.step(Batch(x=x, y=torch.tensor([0]), index=torch.tensor([0])))
    # The gradient is negative, so the ascent goes to w = 0.5, where it is -2 sigmoid(-1).
    assert method.net.w.item() == pytest.approx(1 + 0.1 * 2 / (1 + math.e))


def test_sam_leaves_running_statistics_to_the_first_pass() -> None:
    layer = torch.nn.BatchNorm1d(3)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    with frozen_statistics(layer):
        layer(x)
    assert layer.running_mean is not None
    assert torch.equal(layer.running_mean, torch.zeros(3))
    assert layer.momentum == 0.1
