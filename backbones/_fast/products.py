"""Matrix products through the faster of the two libraries that torch carries for them.

On the CPU torch multiplies float32 matrices by MKL, which leaves AVX-512 unused on processors that are not
Intel's. oneDNN, which torch has for its convolutions, uses it: measured on a Zen 5 it multiplies 2.2 times as
fast. Where there is no AVX-512 nothing is gained, and torch's own products are taken. The choice depends on
the processor alone, so that equal machines compute equal numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones._fast.switch import fast_path_is_on

AVX512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
_AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN = fast_path_is_on("products") and AVX512 and _AVAILABLE


def product(a: Tensor, b: Tensor) -> Tensor:
    """[M, N]: a [M, K] times the transpose of b [N, K]. Has no gradient."""
    if not _by_onednn(a):
        return a @ b.t()
    if not (b.is_contiguous() or b.t().is_contiguous()):
        # With gaps between the rows of `b` the library falls back to code that is a thousand times slower.
        b = b.t().contiguous().t() if b.stride(0) == 1 else b.contiguous()
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")


def add_product_(out: Tensor, a: Tensor, b: Tensor) -> None:
    """Adds a [M, K] times the transpose of b [N, K] to out [M, N], which may have gaps between its rows."""
    if _by_onednn(a):
        out += product(a, b)
    else:
        out.addmm_(a, b.t())


def _by_onednn(a: Tensor) -> bool:
    return _ONEDNN and a.dtype == torch.float32 and a.device.type == "cpu"


class _Linear(torch.autograd.Function):
    """x [M, K] times the transpose of weight [N, K]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        # With create_graph=True the products need a gradient of their own.
        times = _transposed if torch.is_grad_enabled() else product
        need_x, need_weight = ctx.needs_input_grad
        return (times(grad, weight.t()) if need_x else None, times(grad.t(), x.t()) if need_weight else None)


def _transposed(a: Tensor, b: Tensor) -> Tensor:
    return a @ b.t()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear` of x [..., K] with weight [N, K]."""
    if not _by_onednn(x) or weight.dtype != x.dtype or x.numel() == 0 or torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight, bias)
    out = _Linear.apply(x.flatten(0, -2), weight).unflatten(0, x.shape[:-1])
    return out if bias is None else out + bias


class Linear(nn.Linear):
    """`nn.Linear` by `linear`: the same parameters, the same results up to the order of summation."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)
