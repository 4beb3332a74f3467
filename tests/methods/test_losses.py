"""Losses: closed forms, and what must never become NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from methods._losses import focal_terms, log_complement, tempered_softmax
from methods.base import Hints
from methods.soft_ce import SoftCE
from tests.golden.harness import batch_of, make
from tests.methods.loss_lab import VARIANTS, build, loss_of, p_of_label


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(13, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def y() -> Tensor:
    return torch.arange(13) % 7


# ---- stability ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_value_and_gradient_are_finite_at_logits_of_60(name: str, config: dict[str, Any], dtype: torch.dtype) -> None:
    rows = torch.tensor([[60.0, -60, -60], [-60, 60, 60], [0, 0, 0], [-60, -60, -60], [1000, 0, -1000]])
    logits = rows.repeat_interleave(3, 0).to(dtype).requires_grad_()
    y = torch.arange(3).repeat(5)
    loss = loss_of(name, logits, y, config)
    (grad,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert grad.isfinite().all()
    assert grad.dtype == dtype


@pytest.mark.parametrize(("name", "config"), VARIANTS)
def test_gradient_agrees_with_finite_differences(name: str, config: dict[str, Any]) -> None:
    if config.get("detach_factor") or config.get("iterations"):
        pytest.skip("the reference's form takes no full gradient on purpose")
    logits = 2 * torch.randn(5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0])
    method = build(name, config, K=4, N=5, epoch=9)

    def loss(z: Tensor) -> Tensor:
        torch.manual_seed(0)
        return method.loss(z, batch_of(y))

    assert torch.autograd.gradcheck(loss, logits.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", ["gce", "sce", "nce_rce", "js", "taylor_ce", "focal"])
def test_sure_mistakes_keep_a_gradient(name: str) -> None:
    logits = torch.tensor([[20.0, -20.0, -20.0]], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(loss_of(name, logits, torch.tensor([1])), logits)
    assert grad.abs().max() > 0


# ---- closed forms ---------------------------------------------------------------------------------


def test_sce_reverse_term_is_9_21_times_one_minus_p(logits: Tensor, y: Tensor) -> None:
    reverse = loss_of("sce", logits, y, {"alpha": 0.0, "beta": 1.0})
    assert reverse.item() == pytest.approx(9.210340371976 * (1 - p_of_label(logits, y)).mean().item(), rel=1e-9)


def test_gce_tends_to_cross_entropy_and_is_one_minus_p_at_q_1(logits: Tensor, y: Tensor) -> None:
    assert loss_of("gce", logits, y, {"q": 1e-7}).item() == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert loss_of("gce", logits, y, {"q": 1.0}).item() == pytest.approx((1 - p_of_label(logits, y)).mean().item())


def test_taylor_order_1_is_half_of_mae_and_high_order_nears_cross_entropy(logits: Tensor, y: Tensor) -> None:
    half = loss_of("mae", logits, y).item() / 2
    assert loss_of("taylor_ce", logits, y, {"order": 1}).item() == pytest.approx(half)
    sure = 3 * F.one_hot(y, 7).double()
    assert loss_of("taylor_ce", sure, y, {"order": 100}).item() == pytest.approx(
        F.cross_entropy(sure, y).item(), rel=1e-6
    )


def test_soft_ce_is_cross_entropy_averaged_over_the_raters_of_each_image(logits: Tensor) -> None:
    votes = torch.randint(7, (5, 13), generator=torch.Generator().manual_seed(3))
    shares = F.one_hot(votes, 7).double().mean(0)
    shuffled = torch.randperm(13, generator=torch.Generator().manual_seed(4))  # rows are those of `batch.index`
    method = make(SoftCE, {}, K=7, N=13, hints=Hints(given_soft_labels=shares[shuffled.argsort()]))
    given = method.loss(logits, batch_of(votes[0], index=shuffled))
    by_rater = torch.stack([F.cross_entropy(logits, one) for one in votes])
    assert given.item() == pytest.approx(by_rater.mean().item(), rel=1e-12)


def test_symmetric_losses_sum_to_a_constant_over_all_labels(logits: Tensor) -> None:
    def total(name: str, config: dict[str, Any]) -> Tensor:
        labels = (torch.full((1,), k) for k in range(7))
        return torch.stack([loss_of(name, logits[:1], y, config) for y in labels]).sum()

    assert total("mae", {}).item() == pytest.approx(2 * 6)
    assert total("nce_rce", {"beta": 0.0}).item() == pytest.approx(1)
    assert total("focal", {"normalized": True, "gamma": 2.0}).item() == pytest.approx(1)
    assert total("gce", {"normalized": True}).item() == pytest.approx(1)


def test_js_tends_to_cross_entropy_as_the_label_weight_vanishes(logits: Tensor, y: Tensor) -> None:
    js = loss_of("js", logits, y, {"label_weight": 1e-6}).item()
    assert js == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-3)


def test_gjs_of_two_equal_views_is_js(logits: Tensor, y: Tensor) -> None:
    method = build("gjs", {"weights": (0.7, 0.1, 0.2)}, K=7)
    gjs = method.loss(torch.cat([logits, logits]), batch_of(y))
    assert gjs.item() == pytest.approx(loss_of("js", logits, y, {"label_weight": 0.7}).item())


def test_gjs_compares_the_label_with_the_predictions_of_two_different_views() -> None:
    method = build("gjs", {"weights": (0.5, 0.2, 0.3)}, K=3, N=4)
    views = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    batch = batch_of(torch.tensor([0, 1, 2, 0]), x=views)
    label = np.eye(3)[[0, 1, 2, 0]]
    first, second = (method.net(view).softmax(1).detach().numpy() for view in views)
    mean = 0.5 * label + 0.2 * first + 0.3 * second
    divergence = entropy(mean) - 0.2 * entropy(first) - 0.3 * entropy(second)  # the label's entropy is 0
    expected = divergence.mean() / (-0.5 * np.log(0.5))
    assert method.step(batch)["loss"].item() == pytest.approx(expected)


def entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p)).sum(1)


def test_gjs_refuses_weights_that_do_not_sum_to_one() -> None:
    with pytest.raises(ValidationError, match="expected 1"):
        build("gjs", {"weights": (0.9, 0.1, 0.1)})


def test_phuber_is_continuous_and_linear_below_its_edge() -> None:
    p = torch.tensor([0.5 + 1e-9, 0.5 - 1e-9, 0.2, 0.1], dtype=torch.float64)
    logits = torch.stack([p.log(), (1 - p).log()], 1)
    values = [loss_of("phuber", row[None], torch.tensor([0])).item() for row in logits]
    assert values[0] == pytest.approx(values[1], abs=1e-7)
    assert values[3] - values[2] == pytest.approx(2 * 0.1)


def test_bi_tempered_probabilities_sum_to_one(logits: Tensor) -> None:
    for t in (1.05, 1.2, 2.0, 4.0):
        assert (tempered_softmax(10 * logits, t, 20).sum(1) - 1).abs().max() < 1e-6


def test_logit_clip_leaves_short_logits_alone_and_shortens_long_ones(y: Tensor) -> None:
    direction = F.one_hot(y, 7).double()
    assert loss_of("logit_clip", direction, y).item() == pytest.approx(F.cross_entropy(direction, y).item())
    clipped = F.cross_entropy(1.5 * direction, y).item()
    assert loss_of("logit_clip", 50 * direction, y).item() == pytest.approx(clipped)


def test_log_complement_loses_no_digits_near_one() -> None:
    log_p = torch.tensor([[60.0, 0.0, 0.0]]).log_softmax(1)
    assert log_complement(log_p)[0, 0].item() == pytest.approx(math.log(2) - 60, rel=1e-6)
    ordinary = torch.tensor([[0.2, 0.3, 0.5]]).log()
    torch.testing.assert_close(log_complement(ordinary).exp(), 1 - ordinary.exp())


def test_focal_with_gamma_0_is_cross_entropy(logits: Tensor, y: Tensor) -> None:
    assert loss_of("focal", logits, y, {"gamma": 0.0}).item() == pytest.approx(F.cross_entropy(logits, y).item())
    torch.testing.assert_close(focal_terms(logits.log_softmax(1), 0.0), -logits.log_softmax(1))


def test_anl_trains_without_weight_decay() -> None:
    method = build("anl_ce", weight_decay=0.1)
    assert method.optimizer.param_groups[0]["weight_decay"] == 0
    assert build("ce", weight_decay=0.1).optimizer.param_groups[0]["weight_decay"] == 0.1
