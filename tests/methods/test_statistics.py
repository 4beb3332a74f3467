"""What methods with two passes a step, or with averaged weights, do with the statistics of batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.golden.harness import TinyData
from tests.methods.loss_lab import build

MEAN, VAR = "0.running_mean", "0.running_var"


def normalizing(seed: int = 0) -> nn.Sequential:
    """Batch normalization of the inputs, whose statistics no weight moves, and a linear map."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)).double()


@pytest.fixture
def data() -> TinyData:
    x = 2 + 3 * torch.randn(24, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return TinyData(x=x, y=torch.arange(24) % 3, num_classes=3)


def test_a_step_of_sam_moves_the_running_statistics_once(data: TinyData) -> None:
    method = build("sam", {"rho": 0.5}, K=3, N=24, networks={"net": normalizing()}).train()
    batch = next(iter(data.batches()))
    method.step(batch)
    x = batch.x[0].numpy()
    # Momentum .1, from mean 0 and variance 1.
    assert method.net[0].running_mean.numpy() == pytest.approx(0.1 * x.mean(0))
    assert method.net[0].running_var.numpy() == pytest.approx(0.9 + 0.1 * np.var(x, axis=0, ddof=1))


def states(module: nn.Module) -> list[Tensor]:
    """Running mean and variance."""
    return [module.state_dict()[name].clone() for name in (MEAN, VAR)]


@pytest.mark.parametrize(
    ("name", "options", "decays"),
    [
        # The decay of update n (from 0) is at most 1 - (1 + n)^(-2/3): the first copies the weights.
        ("ema", {"decay": 0.3}, (0.0, 0.3, 0.3)),
        ("strong_ce", {"decay": 0.3, "held": 0.0}, (0.0, 0.3, 0.3)),
        # Update n (from 1) has at most 1 - 1 / (n + 1).
        ("elr_plus", {"ema_decay": 0.6}, (1 / 2, 0.6, 0.6)),
    ],
)
def test_statistics_of_batch_normalization_are_averaged_as_the_weights_are(
    name: str, options: dict[str, Any], decays: tuple[float, ...], data: TinyData
) -> None:
    networks = {"net": normalizing(), "net2": normalizing(1)}
    method = build(name, options, K=3, N=24, networks=networks).train()
    expected = states(method.net)
    for decay, batch in zip(decays, method.plan(0, data), strict=False):
        method.step(batch)
        now = states(method.net)
        expected = [decay * mean + (1 - decay) * value for mean, value in zip(expected, now, strict=True)]
        torch.testing.assert_close(states(method.average.module), expected)
    assert not torch.allclose(expected[0], states(method.net)[0], rtol=0.01)
