"""Matrix products by the faster library are the same products, in every layout of their operands."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones._fast import products
from backbones._fast.products import Linear, add_product_, product

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layouts(x: Tensor) -> dict[str, Tensor]:
    """The same matrix as it may lie in memory."""
    wide, tall = x.new_zeros(x.shape[0], 2 * x.shape[1]), x.new_zeros(x.shape[1], 2 * x.shape[0])
    wide[:, : x.shape[1]], tall[:, : x.shape[0]] = x, x.t()
    return {
        "plain": x.contiguous(),
        "transposed": x.t().contiguous().t(),
        "gaps between rows": wide[:, : x.shape[1]],
        "transposed, gaps": tall[:, : x.shape[0]].t(),
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("left", layouts(torch.zeros(1, 1)))
@pytest.mark.parametrize("right", layouts(torch.zeros(1, 1)))
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 1, 1), (64, 130, 33)])
def test_a_product_is_the_same_in_every_layout(
    shape: tuple[int, int, int], right: str, left: str, dtype: torch.dtype
) -> None:
    rows, inner, columns = shape
    a, b = normal(rows, inner, dtype=dtype), normal(columns, inner, dtype=dtype, seed=1)
    want = a @ b.t()
    close = TOLERANCE[dtype] * want.abs().max()
    assert (product(layouts(a)[left], layouts(b)[right]) - want).abs().max() <= close
    out = layouts(torch.ones_like(want))["gaps between rows"]
    add_product_(out, layouts(a)[left], layouts(b)[right])
    assert (out - 1 - want).abs().max() <= close + TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(6, 10), (2, 3, 10), (0, 10)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_equals_torchs_in_values_and_gradients(
    bias: bool, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    ours = Linear(10, 4, bias=bias, dtype=dtype)
    theirs = nn.Linear(10, 4, bias=bias, dtype=dtype)
    theirs.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, theirs):
        x = normal(*shape, dtype=dtype).requires_grad_()
        out = layer(x)
        assert out.shape == (*shape[:-1], 4)
        noise = normal(*out.shape, dtype=dtype, seed=2)
        found.append([out, *torch.autograd.grad((out * noise).sum(), [x, *layer.parameters()])])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


def test_a_linear_layer_has_gradients_of_gradients() -> None:
    layer, x = Linear(5, 3), normal(4, 5)
    wanted = []
    for linear in (layer, lambda x: F.linear(x, layer.weight, layer.bias)):
        (slope,) = torch.autograd.grad(linear(x).pow(3).sum(), [layer.weight], create_graph=True)
        wanted.append(torch.autograd.grad(slope.pow(2).sum(), list(layer.parameters())))
    torch.testing.assert_close(*wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.timed
@pytest.mark.skipif(not products._ONEDNN, reason="the products are torch's own here: no AVX-512, or no oneDNN")
def test_gaps_between_rows_do_not_slow_a_product_down() -> None:
    a, b = normal(128, 512), normal(256, 512)
    seconds = {}
    for layout, operand in layouts(b).items():
        product(a, operand)
        times = []
        for _ in range(5):
            started = time.perf_counter()
            product(a, operand)
            times.append(time.perf_counter() - started)
        seconds[layout] = min(times)
    assert max(seconds.values()) < 10 * seconds["plain"], seconds
