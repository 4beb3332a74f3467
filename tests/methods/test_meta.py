"""Weights that come from a clean set, against the gradients that they are made of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.checks.lab import Lab
from methods.base import Batch, Hints
from methods.meta_weight_net import MetaWeightNet
from tests.golden.harness import TinyData, batch_of, make
from tests.methods.loss_lab import build


@pytest.fixture
def clean() -> TinyData:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    return TinyData(x, torch.arange(6) % 3, 3, size=6)


def method_with(name: str, clean: TinyData, **options: Any) -> Any:
    return build(name, options, K=3, N=8, hints=Hints(given_clean_set=clean))


def losses(method: Any, batch: Batch) -> Tensor:
    return F.cross_entropy(method.logits(batch), batch.y, reduction="none")


def gradient(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    grads = torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
    return torch.cat([g.flatten() for g in grads])


def test_l2rw_weighs_by_the_positive_part_of_the_product_of_gradients(clean: TinyData) -> None:
    method = method_with("l2rw", clean)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    target = gradient(method.net, clean.x, clean.y)
    products = torch.stack([gradient(method.net, x[i : i + 1], y[i : i + 1]) @ target for i in range(8)])
    expected = products.clamp(min=0) / products.clamp(min=0).sum()
    assert 0 < (expected > 0).sum() < 8
    list(method.plan(0, TinyData(x, y, 3)))
    weights = method.weigh(losses(method, batch_of(y, x=x[None])), next(method.clean))
    torch.testing.assert_close(weights, expected)
    assert not weights.requires_grad


def test_a_batch_that_can_only_harm_teaches_nothing(clean: TinyData) -> None:
    method = method_with("l2rw", clean)
    x = clean.x[:1].expand(2, -1)
    # One sample, labelled rightly in the clean set and otherwise in the batch: every step on it is the wrong way.
    lone = TinyData(clean.x[:1], clean.y[:1], 3, size=1)
    method.kit.hints = Hints(given_clean_set=lone)
    y = (clean.y[:1] + 1).expand(2)
    before = copy.deepcopy(method.net.state_dict())
    (batch,) = method.plan(0, TinyData(x, y, 3))
    result = method.step(batch)
    assert result["loss"] == 0
    assert all(torch.equal(value, before[name]) for name, value in method.net.state_dict().items())


def test_meta_weight_net_moves_its_weights_against_the_clean_loss(clean: TinyData) -> None:
    method = method_with("meta_weight_net", clean, meta_lr=1e-4, meta_decay=0.0)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    batch = batch_of(torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]), x=x[None])

    given = batch_of(clean.y, x=clean.x[None])

    def clean_loss() -> Tensor:
        each = losses(method, batch)
        return method.loss_after((method.value(each) * each).mean(), given)

    before = clean_loss()
    by_hand = torch.autograd.grad(before, list(method.weight_net.parameters()))
    method.weigh(losses(method, batch), given)
    for parameter, gradient_by_hand in zip(method.weight_net.parameters(), by_hand, strict=True):
        torch.testing.assert_close(parameter.grad, gradient_by_hand)
    assert clean_loss() < before


@pytest.mark.parametrize(("epochs", "steps", "factor"), [(120, 490, 1), (12, 490, 10), (12, 10, 490), (1, 10, 1000)])
def test_the_weighting_network_learns_faster_in_a_run_of_fewer_steps(epochs: int, steps: int, factor: int) -> None:
    method = make(MetaWeightNet, K=3, N=8, epochs=epochs, steps_per_epoch=steps)
    (group,) = method.meta_optimizer.param_groups
    assert group["lr"] == pytest.approx(1e-3 * factor)


@pytest.mark.parametrize("name", ["l2rw", "meta_weight_net"])
def test_a_trial_step_leaves_no_trace_in_the_network_nor_in_batch_normalization(name: str) -> None:
    lab = Lab(name, {}, epochs=2)
    lab.start(0)
    (batch, *_) = lab.instance.plan(0, lab.data)
    buffers = {key: value.clone() for key, value in lab.instance.net.state_dict().items()}
    method: Any = lab.instance
    method.eval()  # the statistics of the step itself
    each = losses(method, batch)
    method.train()
    method.weigh(each, next(method.clean))
    for key, value in lab.instance.net.state_dict().items():
        if "num_batches_tracked" not in key:
            assert torch.equal(value, buffers[key]), key


@pytest.mark.parametrize("name", ["l2rw", "meta_weight_net"])
def test_right_labels_weigh_more_than_wrong_ones(name: str) -> None:
    lab = Lab(name, {}, epochs=10, noise_rate=0.4, num_samples=360)
    curve = lab.train().curve
    assert curve[-1]["diagnostics"]["auroc"] > 0.8
